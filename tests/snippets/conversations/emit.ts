// Presence
socket.emit('presence:online');          // User comes online
socket.emit('presence:offline');         // User goes offline

// Messages
socket.emit('chat:message_send', 
  { conversationId: "...", contentEncrypted: "..." },
  callback  // Receives { success, messageId }
);

// Status
socket.emit('chat:message_delivered', { messageId: "..." });
socket.emit('chat:message_read', { messageId: "..." });

// Typing
socket.emit('chat:typing', { conversationId: "...", isTyping: true });
