// One stock client that has agreed to permessage-deflate talks to an echo
// server: node deflate.mjs URL HOW PARSER THRESHOLD, where HOW is websocket or
// upgrade and messages from THRESHOLD bytes on are sent compressed.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.PARLOR_NODE_MODULES + "/");
const { io } = require("socket.io-client");
const [url, how, format, threshold] = process.argv.slice(2);

const socket = io(url, {
  transports: how === "upgrade" ? ["polling", "websocket"] : [how],
  perMessageDeflate: { threshold: Number(threshold) },
  ...(format === "msgpack" ? { parser: require("socket.io-msgpack-parser") } : {}),
});
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
await once(socket, "connect");
const engine = socket.io.engine;
if (engine.transport.name !== "websocket") await once(engine, "upgrade");
const ws = engine.transport.ws;
assert.match(ws.extensions, /permessage-deflate/);

async function echoes(event, ...args) {
  const back = once(socket, event);
  socket.emit(event, ...args);
  assert.deepEqual(await back, args);
}

const before = ws._socket.bytesRead;
const text = "all work and no play makes a dull boy. ".repeat(2500);
for (let i = 0; i < 5; i++) await echoes("long", i, text, "héllo \u{1f600}");
assert.ok(ws._socket.bytesRead - before < text.length, `${ws._socket.bytesRead - before} bytes for five times ${text.length}`);
await echoes("short", "x");
await echoes("binary", Buffer.alloc(100_000, 7), text, Buffer.from("y"));
const noise = Buffer.from(Array.from({ length: 5000 }, () => Math.floor(Math.random() * 256)));
await echoes("noise", noise);
socket.disconnect();
