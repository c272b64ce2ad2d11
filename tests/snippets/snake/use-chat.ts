import { useEffect, useState } from 'react';
import { io, Socket } from 'socket.io-client';

export function useChat(roomId: string) {
    const [socket, setSocket] = useState<Socket | null>(null);
    const [messages, setMessages] = useState<Message[]>([]);
    const [typing, setTyping] = useState<string[]>([]);

    useEffect(() => {
        const newSocket = io('http://localhost:3000');
        setSocket(newSocket);

        newSocket.on('connect', () => {
            newSocket.emit('join_room', { roomId });
        });

        newSocket.on('message', (message) => {
            setMessages(prev => [...prev, message]);
        });

        newSocket.on('typing', (data) => {
            setTyping(prev => [...prev, data.username]);
            setTimeout(() => {
                setTyping(prev => prev.filter(u => u !== data.username));
            }, 3000);
        });

        return () => {
            newSocket.close();
        };
    }, [roomId]);

    const sendMessage = (content: string) => {
        socket?.emit('send_message', { roomId, content, type: 'text' });
    };

    return { messages, typing, sendMessage };
}
