const response = await socket.emitWithAck("room.create", {
  type: "group",
  name: "Team Chat",
  description: "Our awesome team",
  memberIds: ["user1", "user2", "user3"],
  isPrivate: false,
});

console.log("Room created:", response.room);
