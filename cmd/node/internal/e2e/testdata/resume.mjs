// A stock client loses its transport and resumes: node resume.mjs URL HOW.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.PARLOR_NODE_MODULES + "/");
const { io } = require("socket.io-client");
const [url, how] = process.argv.slice(2);
const options = { transports: how === "upgrade" ? ["polling", "websocket"] : [how], forceNew: true, reconnectionDelay: 200, reconnectionDelayMax: 300 };
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));

const ada = io(url + "/lab/r", options);
const bob = io(url + "/lab/r", options);
const got = [];
bob.on("told", (n) => got.push(n));
await Promise.all([once(ada, "connect"), once(bob, "connect")]);
const id = bob.id;
let n = 0;
const tell = async (count) => {
  for (let i = 0; i < count; i++) ada.emit("tell", ++n);
  await ada.emitWithAck("echo", 0); // the room has taken them all
};

for (let round = 0; round < 5; round++) {
  // The first round has no event before the loss: the session has no offset.
  if (round > 0) await tell(3);
  // Closing while an upgrade is under way makes the stock client hand out what
  // it had buffered once more, whatever the server does: wait for it.
  if (how === "upgrade") while (bob.io.engine.transport.name !== "websocket") await new Promise((r) => setTimeout(r, 5));
  const back = once(bob, "connect");
  bob.io.engine.close();
  await tell(round === 0 ? 4 : 5);
  await back;
  assert.equal(bob.recovered, true, "round " + round);
  assert.equal(bob.id, id);
}
await tell(1);
await new Promise((resolve) => setTimeout(resolve, 300));
assert.deepEqual(got, Array.from({ length: n }, (_, i) => i + 1));

// More than is kept: the seat stays, the cut is announced.
const cut = once(bob, "connect");
const state = once(bob, "room:state");
bob.io.engine.close();
await tell(50);
await cut;
assert.equal(bob.recovered, false);
assert.equal(bob.id, id);
await state;
process.exit(0);
