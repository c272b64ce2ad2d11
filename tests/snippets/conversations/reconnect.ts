socket = io(url, {
  reconnection: true,
  reconnectionDelay: 1000,
  reconnectionDelayMax: 5000,
  reconnectionAttempts: 5
});

socket.on('reconnect', () => {
  // Re-establish presence
  socket.emit('presence:online');
  // Fetch missed messages
  fetchNewMessages();
});
