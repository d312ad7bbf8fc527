// What a socket says is emitted to the room of all: node fan_out_io.js PORT
const { Server } = require("socket.io");
const io = new Server({ transports: ["websocket"], perMessageDeflate: false });
io.on("connection", (socket) => {
  socket.join("all");
  socket.on("say", (text) => io.to("all").emit("said", text));
});
io.attach(Number(process.argv[2]));
