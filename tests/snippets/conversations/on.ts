// Presence
socket.on('user:status_changed', (data) => {
  // { userId, status: 'online'|'offline', timestamp }
});

// Messages
socket.on('chat:message_received', (message) => {
  // { id, sender_id, content_encrypted, created_at, ... }
});

// Typing
socket.on('chat:user_typing', (data) => {
  // { userId, username, isTyping, timestamp }
});

// Status
socket.on('chat:message_status_updated', (data) => {
  // { messageId, status: 'delivered'|'read', deliveredBy/readBy }
});
