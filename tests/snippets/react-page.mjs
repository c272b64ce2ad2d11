// What an application does with the hook: render it, and use what it gives.
import { createElement } from "react";
import { createRoot } from "react-dom/client";
import { useChat } from "snippet";

window.render = async (roomId) => {
  const root = createRoot(document.body.appendChild(document.createElement("main")));
  await new Promise((rendered) => {
    const Chat = () => {
      window.hook = useChat(roomId);
      rendered();
      return createElement("pre", null, JSON.stringify(window.hook.messages));
    };
    root.render(createElement(Chat));
  });
  window.unmount = () => root.unmount();
};
