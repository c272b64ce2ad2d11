const history = await socket.emitWithAck("message.history", {
  roomId: "direct_user1_user2",
  cursor: "2025-11-19T10:30:00Z", // Optional
  limit: 50,
  direction: "before", // or 'after'
});

console.log("Messages:", history.messages);
console.log("Has more:", history.hasMore);
