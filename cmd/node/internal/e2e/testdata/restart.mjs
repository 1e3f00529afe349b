// Three namespaces outlive their server: node restart.mjs URL HOW.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.PARLOR_NODE_MODULES + "/");
const { Manager } = require("socket.io-client");
const [url, how] = process.argv.slice(2);
const manager = new Manager(url, { transports: how === "upgrade" ? ["polling", "websocket"] : [how], reconnectionDelay: 50, reconnectionDelayMax: 200 });
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
const sockets = ["/lab/a", "/lab/b", "/lab/c"].map((name) => manager.socket(name));
const gone = sockets.map((s) => once(s, "disconnect")); // the server may stop as soon as it has seen the last of them
await Promise.all(sockets.map((s) => once(s, "connect")));
const reasons = await Promise.all(gone);
for (const [reason] of reasons) assert.ok(["transport close", "transport error"].includes(reason), reason);
await Promise.all(sockets.map((s) => once(s, "connect")));
assert.deepEqual(await Promise.all(sockets.map((s, i) => s.emitWithAck("echo", i))), [0, 1, 2]);
process.exit(0);
