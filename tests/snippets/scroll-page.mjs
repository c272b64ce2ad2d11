// A list of messages that asks for more when it is scrolled to its top, with the document's code inside its component.
import { createElement, useState } from "react";
import { createRoot } from "react-dom/client";
import { io } from "socket.io-client";
import { useMessages } from "snippet";

window.render = async (url, token, roomId) => {
  const socket = io(url, { auth: { token } });
  await new Promise((ready) => socket.once("connection.authenticated", ready));
  await socket.emitWithAck("room.join", { roomId });
  const List = () => {
    const [scrollTop, setScrollTop] = useState(0);
    window.list = { ...useMessages(socket, roomId, scrollTop), scrollTop };
    const lines = window.list.messages.map(({ messageId, content }) => createElement("p", { key: messageId }, content));
    const style = { height: "100px", overflow: "auto" };
    return createElement("main", { style, onScroll: ({ target }) => setScrollTop(target.scrollTop) }, lines);
  };
  createRoot(document.body.appendChild(document.createElement("div"))).render(createElement(List));
};
