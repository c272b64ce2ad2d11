// Start typing
socket.emit("typing.start", { roomId: "direct_user1_user2" });

// Stop typing (after 5 seconds or on send)
socket.emit("typing.stop", { roomId: "direct_user1_user2" });

// Listen for typing
socket.on("typing.user", (data) => {
  console.log(`${data.userName} is typing...`);
});
