import { io } from "socket.io-client";

const socket = io("http://localhost:3001", {
  auth: {
    token: "your-jwt-token",
  },
  transports: ["websocket", "polling"],
});

socket.on("connect", () => {
  console.log("Connected!");
});

socket.on("connection.authenticated", (data) => {
  console.log("Authenticated:", data);
});
