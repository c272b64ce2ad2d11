// Frontend: Load initial messages
const [messages, setMessages] = useState([]);
const [cursor, setCursor] = useState(null);
const [hasMore, setHasMore] = useState(true);

const loadMoreMessages = async () => {
  const response = await socket.emitWithAck("message.history", {
    roomId,
    cursor,
    limit: 50,
    direction: "before",
  });

  setMessages((prev) => [...prev, ...response.messages]);
  setCursor(response.nextCursor);
  setHasMore(response.hasMore);
};

// Trigger on scroll to top
useEffect(() => {
  if (scrollTop === 0 && hasMore) {
    loadMoreMessages();
  }
}, [scrollTop]);
