// One conversation that uses every packet type in both directions.
import { once } from "node:events";
import { Manager } from "socket.io-client";

export const values = [
  "plain",
  "",
  'quote " backslash \\ slash / controls \u0001\b\f\n\r\t\u001e',
  "h\u00e9llo \u2713 \u{1f600} \u2028\u2029 <b>&amp;</b> \u007f",
  "lone \ud83d surrogate \ude00",
  [0, -0, 1, -1, 127, 128, 255, 256, -32, -33, -128, -129, 65535, 65536, -32768, -32769],
  [4294967295, 4294967296, -2147483648, -2147483649, 9007199254740991, -9007199254740991],
  [0.1, -1.5, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, 123456789012345680000],
  [NaN, Infinity, -Infinity, undefined],
  [null, true, false],
  [],
  {},
  { b: 1, a: { "": [[[]]], 2: "two", 1: "one" }, gone: undefined, when: new Date(1700000000123) },
  { _placeholder: true, num: 0 },
  Array.from({ length: 20 }, (_, i) => ({ i })),
  "x".repeat(300),
];

export function serve(io) {
  const talk = (socket) => {
    socket.on("echo", (...args) => {
      const ack = args.at(-1);
      if (typeof ack === "function") ack(...args.slice(0, -1));
      else socket.emit("echo", ...args);
    });
    socket.on("ask me", async (value, done) => done(await socket.timeout(5000).emitWithAck("question", value)));
    socket.on("poll all", (done) => socket.nsp.timeout(5000).emit("poll", (err, answers) => done(answers)));
    socket.on("42", (...args) => socket.emit(43, ...args));
    socket.on("send me away", () => socket.disconnect());
    socket.on("say bye", (done) => done());
  };
  io.on("connection", talk);
  io.of("/board/q3").on("connection", talk);
  io.of("/leaving").on("connection", talk);
  io.of("/full").use((socket, next) => {
    next(Object.assign(new Error("no seat"), { data: { code: "room_full", max: 2 } }));
  });
}

export async function converse(url, options, tick) {
  const manager = new Manager(url, { ...options, reconnection: false, autoConnect: false });
  const root = manager.socket("/", { auth: { token: "t\u00f6ken", n: 1 } });
  const board = manager.socket("/board/q3", { auth: (cb) => cb({ name: "Ada" }) });
  for (const socket of [root, board]) {
    socket.on("question", (value, answer) => answer(value, [socket.nsp]));
    socket.on("poll", (answer) => answer(socket.nsp, new Uint8Array([7])));
    socket.connect();
    await once(socket, "connect");
  }
  for (const name of ["/full", "/nowhere"]) {
    const socket = manager.socket(name);
    socket.connect();
    await once(socket, "connect_error");
    socket.disconnect();
  }
  for (const socket of [root, board]) {
    for (const value of values) {
      socket.emit("echo", value);
      await once(socket, "echo");
    }
    await socket.emitWithAck("echo", ...values);
    await socket.emitWithAck("echo");
    const bytes = Buffer.from([0, 1, 2, 0x1e, 0xff]);
    socket.emit("echo", bytes);
    await once(socket, "echo");
    socket.emit("echo", { file: bytes, list: [Buffer.alloc(0), { deep: new Uint8Array([9, 8]) }] }, "text", Buffer.alloc(300, 7));
    await once(socket, "echo");
    await socket.emitWithAck("echo", bytes, [bytes], { bytes });
    await socket.emitWithAck("ask me", { q: 1 });
    await socket.emitWithAck("ask me", bytes);
    await socket.emitWithAck("poll all");
    socket.emit(42, "numbered");
    await once(socket, 43);
    socket.volatile.emit("echo", "volatile");
    await once(socket, "echo");
  }
  const leaving = manager.socket("/leaving");
  leaving.connect();
  await once(leaving, "connect");
  leaving.emit("send me away");
  await once(leaving, "disconnect");
  await tick(); // a heartbeat passes
  board.disconnect();
  await root.emitWithAck("say bye");
  root.disconnect();
  await tick();
}
