// Two stock clients beside the corpus: one sends numbered messages, the other,
// by a transport of its own, receives them: node bystander.mjs URL TOKEN STOP.
// It ends when the file STOP is there.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(process.env.PARLOR_NODE_MODULES + "/");
const { io } = require("socket.io-client");
const [url, token, stop] = process.argv.slice(2);
const connect = (transports) => new Promise((resolve, reject) => {
  const socket = io(url + "lobby/bystanders", { transports, auth: { token }, forceNew: true });
  socket.once("connect", () => resolve(socket));
  socket.once("connect_error", reject);
  socket.on("disconnect", (reason) => { throw new Error(`${transports}: ${reason}`); });
});
const receivers = await Promise.all([connect(["websocket"]), connect(["polling"]), connect(["polling", "websocket"])]);
const received = receivers.map((socket) => {
  const seen = [];
  socket.on("chat", (n, stamp) => {
    assert.equal(n, seen.length, "messages come in order, each once");
    assert.equal(stamp.seq, n + 1);
    assert.equal(stamp.from, sender.id);
    assert.equal(stamp.user, "bystander");
    seen.push(n);
  });
  return seen;
});
const sender = await connect(["websocket"]);
let sent = 0, slowest = 0;
while (!existsSync(stop)) {
  const begin = performance.now();
  const stamp = await sender.timeout(20_000).emitWithAck("chat", sent);
  slowest = Math.max(slowest, performance.now() - begin);
  sent++;
  assert.equal(stamp.seq, sent);
  await new Promise((resolve) => setTimeout(resolve, 10));
}
for (const limit = Date.now() + 20_000; received.some((seen) => seen.length < sent); ) {
  assert.ok(Date.now() < limit, `sent ${sent}, received ${received.map((seen) => seen.length)}`);
  await new Promise((resolve) => setTimeout(resolve, 20));
}
console.log(`sent and received ${sent} messages; the slowest took ${slowest.toFixed(0)} ms`);
assert.ok(sent > 50, `only ${sent} messages were sent meanwhile`);
process.exit(0);
