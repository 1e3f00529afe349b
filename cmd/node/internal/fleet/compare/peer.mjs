// A Socket.IO server with the Redis adapter, which passes on what a client
// sends to the others of its room, with as much of a stamp as relay rooms have:
//
//   PARLOR_PEERS=DIR node peer.mjs PORT REDIS_URL
import { createRequire } from "node:module";

const require = createRequire(process.env.PARLOR_PEERS + "/");
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-adapter");
const { createClient } = require("redis");

const [port, redis] = process.argv.slice(2);
const pub = createClient({ url: redis });
const sub = pub.duplicate();
await Promise.all([pub.connect(), sub.connect()]);

// What a server that is made for speed would set: no polling, no files served.
const io = new Server({ transports: ["websocket"], serveClient: false, adapter: createAdapter(pub, sub) });
let seq = 0;
io.on("connection", (socket) => {
  const { room } = socket.handshake.auth;
  socket.join(room);
  socket.on("m", (payload) => {
    socket.to(room).emit("m", payload, { from: socket.id, at: Date.now(), seq: ++seq });
  });
});
io.listen(Number(port));
console.log("serving");
