import { io } from 'socket.io-client';

const socket = io('http://localhost:3000', {
    auth: {
        token: 'your-jwt-token'
    }
});

// Connect to server
socket.on('connect', () => {
    console.log('Connected:', socket.id);

    // Join a room
    socket.emit('join_room', {
        roomId: 'room-123',
        userId: 'user-456'
    });
});

// Send a message
function sendMessage(content: string) {
    socket.emit('send_message', {
        roomId: 'room-123',
        content: content,
        type: 'text'
    });
}

// Receive messages
socket.on('message', (data) => {
    console.log('New message:', data);
    // Update UI
    displayMessage(data);
});

// Typing indicators
let typingTimeout: NodeJS.Timeout;

function onTyping() {
    socket.emit('typing_start', {
        roomId: 'room-123',
        userId: 'user-456'
    });

    clearTimeout(typingTimeout);
    typingTimeout = setTimeout(() => {
        socket.emit('typing_stop', {
            roomId: 'room-123',
            userId: 'user-456'
        });
    }, 3000);
}

socket.on('typing', (data) => {
    console.log(`${data.username} is typing...`);
    // Show typing indicator
});

// Presence updates
socket.on('presence_update', (data) => {
    console.log(`${data.userId} is ${data.status}`);
    // Update user status in UI
});

// Error handling
socket.on('error', (error) => {
    console.error('Socket error:', error);
});

// Disconnect
socket.on('disconnect', (reason) => {
    console.log('Disconnected:', reason);
    // Handle reconnection
    if (reason === 'io server disconnect') {
        socket.connect();
    }
});
