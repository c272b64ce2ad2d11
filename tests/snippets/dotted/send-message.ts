const response = await socket.emitWithAck("message.send", {
  roomId: "direct_user1_user2",
  content: "Hello!",
  type: "text",
  tempId: "temp_123",
});

console.log("Message sent:", response);
