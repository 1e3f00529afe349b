// Stock clients, one of each transport in each room, say numbers and listen:
// node guests.mjs BALANCER ROOMS FILE. Nodes restart and die behind the
// balancer until FILE exists; then whoever has not been told of a cut must have
// heard every number of its room once and in order.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(process.env.PARLOR_NODE_MODULES + "/");
const { io } = require("socket.io-client");
const [url, rooms, file] = process.argv.slice(2);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const guest = (room, name, transports) => {
  const socket = io(`${url}/hall/js${room}`, {
    transports, auth: { name }, forceNew: true, retries: 1000, ackTimeout: 2000, reconnectionDelay: 50, reconnectionDelayMax: 200,
  });
  const g = { room, name, seq: 0, heard: 0, n: 0, connects: 0, resumed: 0, cuts: 0 };
  socket.on("connect", () => {
    if (g.connects++ === 0) return;
    if (socket.recovered) return g.resumed++;
    if (g.heard === 0) return; // it had no offset to come back with, and has missed nothing
    console.log(`${name} in room ${room} is cut after number ${g.seq}, ${g.heard} heard, ${g.resumed} times resumed`);
    g.cuts++;
    g.seq = 0;
  });
  // What the stock client leaves to the page.
  socket.on("connect_error", (e) => {
    if (socket.active) return;
    assert.ok(["unavailable", "overloaded"].includes(e.data?.code), `${name} is refused: ${JSON.stringify(e.data)}`);
    setTimeout(() => socket.connect(), 50);
  });
  socket.on("disconnect", (reason) => {
    if (reason === "io server disconnect") setTimeout(() => socket.connect(), 50);
  });
  socket.on("said", (said) => {
    if (g.seq) assert.equal(said.seq, g.seq + 1, `${name} in room ${room} hears number ${said.seq} after ${g.seq}`);
    g.seq = said.seq;
    g.heard++;
  });
  const say = (n) => new Promise((resolve, reject) => {
    socket.emit("say", { from: name, n }, { $parlor: { cid: `${name}-${n}` } }, (err, got) => (err ? reject(err) : resolve(got)));
  });
  g.run = async () => {
    while (!existsSync(file)) {
      await sleep(50 + Math.random() * 100);
      const got = await say(g.n + 1);
      if (["unavailable", "overloaded"].includes(got?.error?.code)) continue;
      assert.equal(got, g.n + 1, `${name} says ${g.n + 1} and is answered ${JSON.stringify(got)}`);
      g.n++;
    }
  };
  return g;
};

const ways = [["websocket"], ["polling"], ["polling", "websocket"]];
const all = Array.from({ length: Number(rooms) }, (_, r) => ways.map((w, i) => guest(r, `js${r}-${i}`, w))).flat();
await Promise.all(all.map((g) => g.run()));
for (const g of all) {
  const said = all.filter((o) => o.room === g.room).reduce((sum, o) => sum + o.n, 0);
  for (let tries = 0; g.seq < said; tries++) {
    assert.ok(tries < 500, `${g.name} has heard up to ${g.seq} of ${said}`);
    await sleep(20);
  }
  assert.equal(g.seq, said, `${g.name} has heard more than was said`);
  assert.ok(g.n > 0 && g.heard > 0, `${g.name} has said or heard nothing`);
}
const sum = (what) => all.reduce((n, g) => n + g[what], 0);
console.log(`${all.length} guests said ${sum("n")}, resumed ${sum("resumed")} times, were cut ${sum("cuts")} times`);
assert.ok(sum("resumed") > 0, "no stay ever had to go on: nothing is shown");
assert.equal(sum("cuts"), 0, "a stay was cut, though all events were kept");
process.exit(0);
