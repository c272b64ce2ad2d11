// WebSocket communication
socket.emit('chat:message_send', { content: 'Hello' }, (response) => {
  // Callback called immediately (~50ms) with acknowledgment
});

// Server can emit to us anytime
socket.on('chat:message_received', (message) => {
  // Instant notification without polling
});
