// One stock client outlives its server: node restart.mjs URL HOW.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.PARLOR_NODE_MODULES + "/");
const { io } = require("socket.io-client");
const [url, how] = process.argv.slice(2);

const socket = io(url, {
  transports: how === "upgrade" ? ["polling", "websocket"] : [how],
  reconnectionDelay: 50,
  reconnectionDelayMax: 100,
});
const once = (event) => new Promise((resolve) => socket.once(event, resolve));

await once("connect");
const first = socket.io.engine.id;
const gone = once("disconnect");
socket.emit("restart");
const reason = await gone;
assert.ok(reason === "transport close" || reason === "transport error", reason);
await once("connect");
assert.notEqual(socket.io.engine.id, first);
const back = once("echo");
socket.emit("echo", "again");
assert.equal(await back, "again");
socket.disconnect();
