// One stock client talks to an echo server: node talk.mjs URL HOW PARSER, where
// HOW is websocket, polling or upgrade, and PARSER is json or msgpack.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.PARLOR_NODE_MODULES + "/");
const { Manager } = require("socket.io-client");
const [url, how, format] = process.argv.slice(2);

const options = { autoConnect: false, transports: how === "upgrade" ? ["polling", "websocket"] : [how] };
if (format === "msgpack") options.parser = require("socket.io-msgpack-parser");
const manager = new Manager(url, options);

const once = (emitter, event) => new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));

async function connect(name, auth) {
  const socket = manager.socket(name, { auth });
  const connected = once(socket, "connect");
  socket.connect();
  await connected;
  return socket;
}

const root = await connect("/");
const board = await connect("/board/q3", { token: "t" });
assert.equal(root.id, "m/");
assert.equal(board.id, "m/board/q3");
if (how === "upgrade" && manager.engine.transport.name !== "websocket") await once(manager.engine, "upgrade");
assert.equal(manager.engine.transport.name, how === "polling" ? "polling" : "websocket");

async function echoes(socket, event, ...args) {
  const back = once(socket, event);
  socket.emit(event, ...args);
  assert.deepEqual(await back, args);
}

for (const socket of [root, board]) {
  await echoes(socket, "text", "héllo \u{1f600} \u2028", 1.5, null, true, { a: [1, { b: "c" }] });
  await echoes(socket, "nothing");
  await echoes(socket, "binary", Buffer.from([1, 2, 3]));
  await echoes(socket, "nested", { deep: [Buffer.from("x"), { er: Buffer.alloc(0) }] }, "text", Buffer.alloc(70_000, 7));
  await echoes(socket, "long", "x".repeat(200_000));
  assert.deepEqual(await ack(socket, "a", 1, Buffer.from([9])), [1, Buffer.from([9])]);
}

// The echo server acknowledges with all arguments.
function ack(socket, ...args) {
  return new Promise((resolve, reject) => {
    socket.timeout(5000).emit("ask", ...args, (err, ...back) => (err ? reject(err) : resolve(back.slice(1))));
  });
}

assert.equal(await root.emitWithAck("ask", "only one"), "only one");
await assert.rejects(root.timeout(100).emitWithAck("mute"), /timed out/);

// Many at once keep their order.
const got = [];
const all = new Promise((resolve) => board.on("n", (i, b) => {
  got.push(i);
  if (b) assert.equal(b[0], i & 255);
  if (got.length === 500) resolve();
}));
for (let i = 0; i < 500; i++) board.emit("n", i, i % 7 ? undefined : Buffer.from([i & 255]));
await all;
assert.deepEqual(got, [...Array(500).keys()]);

// The server may ask as well.
root.once("question", (n, reply) => reply(n + 1, Buffer.from([5])));
const answered = once(root, "answered");
root.emit("asked", 41);
assert.deepEqual(await answered, [42, Buffer.from([5])]);

const refused = manager.socket("/refused");
const error = once(refused, "connect_error");
refused.connect();
const [e] = await error;
assert.equal(e.message, "no seat is left");
assert.deepEqual(e.data, { code: "room_full" });

// Leaving one namespace leaves the others alone.
board.disconnect();
await echoes(root, "text", "still here");
const again = await connect("/board/q4");
await echoes(again, "text", "and here");

// The end of the transport makes a client come back; a DISCONNECT would not.
const gone = once(root, "disconnect");
const back = once(root, "connect");
root.emit("close", "shutdown");
assert.equal((await gone)[0], "transport close");
await back;
await echoes(root, "text", "I am back");
assert.ok(again.active);

const over = once(root, "disconnect");
root.emit("kick");
assert.equal((await over)[0], "io server disconnect");
assert.ok(!root.active);

again.disconnect();
