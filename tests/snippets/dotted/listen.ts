socket.on("message.received", (message) => {
  console.log("New message:", message);
  // Add to UI
});
