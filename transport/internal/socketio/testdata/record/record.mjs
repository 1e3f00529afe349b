// node record.mjs record | verdicts | verify; see README.md.
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Server } from "socket.io";
import { decode, enginePackets, parsers } from "./meaning.mjs";
import { relay } from "./relay.mjs";
import { converse, serve } from "./scenario.mjs";
import { cases } from "./cases.mjs";

const versions = JSON.parse(readFileSync(new URL("package.json", import.meta.url))).dependencies;
const file = (name) => new URL(`../${name}.json`, import.meta.url);
// write puts every element of a list on a line of its own, for readable diffs.
const write = (name, value) => {
  const member = ([key, v]) =>
    Array.isArray(v)
      ? `"${key}": [\n${v.map((e) => JSON.stringify(e)).join(",\n")}\n]`
      : `"${key}": ${JSON.stringify(v)}`;
  writeFileSync(file(name), `{\n${Object.entries(value).map(member).join(",\n")}\n}\n`);
  console.log(`wrote ${name}.json`);
};

const recordings = [
  { name: "websocket-json", parser: "json", transports: ["websocket"] },
  { name: "polling-json", parser: "json", transports: ["polling"] },
  { name: "upgrade-json", parser: "json", transports: ["polling", "websocket"] },
  { name: "recovery-json", parser: "json", transports: ["websocket"], recovery: true },
  { name: "websocket-msgpack", parser: "msgpack", transports: ["websocket"] },
  { name: "polling-msgpack", parser: "msgpack", transports: ["polling"] },
];

async function record({ name, parser, transports, recovery }) {
  const frames = [];
  const web = createServer();
  const io = new Server(web, {
    parser: parsers[parser],
    pingInterval: 150,
    pingTimeout: 2000,
    ...(recovery ? { connectionStateRecovery: {} } : {}),
  });
  serve(io);
  web.listen(0, "127.0.0.1");
  await once(web, "listening");
  const between = await relay(web.address().port, (frame) => {
    frames.push({ ...frame, engine: enginePackets(frame) });
  });
  const url = `http://127.0.0.1:${between.address().port}`;
  await converse(url, { parser: parsers[parser], transports }, () => sleep(400));
  between.close();
  between.closeAllConnections();
  await io.close();

  const packets = ["client", "server"].flatMap((from) => {
    const messages = frames
      .filter((f) => f.from === from)
      .flatMap((f) => f.engine)
      .filter((p) => p.type === "message");
    return decode(parser, messages).map((packet) => ({ from, ...packet }));
  });
  write(name, { name, versions, transports, parser, frames, packets });
}

function verdicts() {
  write("verdicts", {
    versions,
    cases: cases.map((c) => {
      try {
        return { ...c, packets: decode(c.parser, c.messages) };
      } catch (e) {
        return { ...c, error: e.message };
      }
    }),
  });
}

function verify() {
  const ours = JSON.parse(readFileSync(file("msgpack-ours")));
  write("msgpack-verified", {
    versions,
    packets: ours.map(({ name, base64 }) => ({ name, base64, packet: decode("msgpack", [{ base64 }])[0] })),
  });
}

const modes = {
  record: async () => {
    for (const r of recordings) await record(r);
  },
  verdicts,
  verify,
};
const mode = modes[process.argv[2]];
if (!mode) {
  console.error("usage: node record.mjs record | verdicts | verify");
  process.exit(2);
}
await mode();
process.exit(0);
