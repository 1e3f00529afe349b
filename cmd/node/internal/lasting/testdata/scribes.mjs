// Three stock clients, one of each transport, write in one room and listen:
// node scribes.mjs URL ROOM LINES SEED TOKEN TOKEN TOKEN. Connections break and
// the server ends; whoever is told recovered: true must have missed nothing.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.PARLOR_NODE_MODULES + "/");
const { io } = require("socket.io-client");
const [url, room, count, seed, ...tokens] = process.argv.slice(2);
const lines = Number(count);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let state = Number(BigInt(seed) & 0xffffffffn); // mulberry32
const random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let x = Math.imul(state ^ (state >>> 15), 1 | state);
  x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
  return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
};

const scribe = (name, transports, token) => {
  const socket = io(url + room, {
    transports, auth: { token }, forceNew: true, retries: 1000, ackTimeout: 2000,
    reconnectionDelay: 20, reconnectionDelayMax: 100, timeout: 3000,
  });
  const s = { name, heard: [], from: -1, acked: [], connects: 0, resumed: 0, cuts: 0 };
  const recent = []; // what came last, for a failure
  const note = (what) => recent.push(`${Math.round(performance.now())} ${what}`) > 40 && recent.shift();
  socket.onAny((event, ...args) => note(`${event} ${JSON.stringify(args)}, had offset ${socket._lastOffset}`));
  socket.on("connect", () => {
    note(`connect ${socket.id} ${socket.recovered} ${socket.io.engine.id} ${socket._lastOffset}`);
    if (s.connects++ === 0) return;
    if (socket.recovered) return s.resumed++;
    s.cuts++;
    s.from = -1; // any line may be the next, as at first
    s.heard = [];
  });
  // What the stock client leaves to the page.
  socket.on("connect_error", (e) => {
    if (socket.active) return;
    assert.ok(["unavailable", "overloaded"].includes(e.data?.code), name + " is refused: " + JSON.stringify(e.data));
    setTimeout(() => socket.connect(), 50);
  });
  socket.on("disconnect", (reason) => {
    note(`disconnect ${reason}`);
    if (reason === "io server disconnect") setTimeout(() => socket.connect(), 50);
  });
  socket.on("written", (w) => {
    if (s.from < 0) s.from = w.at;
    assert.equal(w.at, s.from + s.heard.length, `${name} is told of line ${w.at} after ${s.from + s.heard.length - 1}:\n${recent.join("\n")}`);
    s.heard.push({ by: w.by, n: w.n });
  });
  const write = (n) => new Promise((resolve, reject) => {
    socket.emit("write", { by: name, n }, { $parlor: { cid: name + "-" + n } }, (err, at) => (err ? reject(err) : resolve(at)));
  });
  s.run = async () => {
    for (let n = 0; n < lines; n++) {
      await sleep(10 + random() * 20);
      let at = await write(n);
      while (["unavailable", "overloaded"].includes(at?.error?.code)) {
        await sleep(20);
        at = await write(n);
      }
      assert.equal(typeof at, "number", `${name} is answered ${JSON.stringify(at)}`);
      s.acked.push(at);
    }
  };
  return s;
};

const all = [["websocket"], ["polling"], ["polling", "websocket"]].map((transports, i) => scribe("js" + i, transports, tokens[i]));
await Promise.all(all.map((s) => s.run()));
const last = Math.max(...all.flatMap((s) => s.acked));
for (const s of all) {
  for (let tries = 0; s.from + s.heard.length <= last; tries++) {
    assert.ok(tries < 2000, `${s.name} was told up to line ${s.from + s.heard.length - 1} of ${last}`);
    await sleep(20);
  }
  if (s.cuts > 0) continue;
  for (const [n, at] of s.acked.entries()) {
    assert.deepEqual(s.heard[at - s.from], { by: s.name, n }, `${s.name}, line ${n}`);
  }
}
console.log(`${last + 1} lines; stays that went on: ${all.map((s) => s.resumed)}; that were cut: ${all.map((s) => s.cuts)}`);
assert.ok(all.some((s) => s.resumed > 0), "no stay ever had to go on: nothing is shown");
assert.ok(all.every((s) => s.cuts === 0), "a stay was cut, though all events were kept");
process.exit(0);
