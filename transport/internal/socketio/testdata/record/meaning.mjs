// What the JavaScript parsers make of frames, in a form that JSON can hold.
import * as engine from "engine.io-parser";
import * as json from "socket.io-parser";
import msgpack from "socket.io-msgpack-parser";

export const parsers = { json, msgpack };

export function tag(value) {
  if (value === undefined) return { $undefined: true };
  if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))) {
    return { $number: Object.is(value, -0) ? "-0" : String(value) };
  }
  if (value === null || typeof value !== "object") return value;
  if (value instanceof ArrayBuffer) return { $binary: Buffer.from(value).toString("base64") };
  if (ArrayBuffer.isView(value)) {
    return { $binary: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
  }
  if (value instanceof Date) return { $date: JSON.parse(JSON.stringify(value)) };
  if (Array.isArray(value)) return value.map(tag);
  // Object.fromEntries defines "__proto__" as a key like any other.
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, tag(v)]));
}

export function meaning(packet) {
  const out = { type: packet.type, nsp: packet.nsp };
  if (packet.id !== undefined) out.id = packet.id;
  if (packet.data !== undefined) out.data = tag(packet.data);
  return out;
}

function enginePacket({ type, data }) {
  if (data === undefined) return { type };
  if (typeof data === "string") return { type, text: data };
  return { type, base64: Buffer.from(data).toString("base64") };
}

// enginePackets reads one frame: {text}, {base64} or {payload}.
export function enginePackets(frame) {
  if (frame.payload !== undefined) return engine.decodePayload(frame.payload).map(enginePacket);
  const message = frame.text ?? Buffer.from(frame.base64, "base64");
  return [enginePacket(engine.decodePacket(message))];
}

// decode runs the messages of one direction through a parser.
export function decode(parser, messages) {
  const decoder = new parsers[parser].Decoder();
  const packets = [];
  decoder.on("decoded", (packet) => packets.push(meaning(packet)));
  for (const m of messages) decoder.add(m.text ?? Buffer.from(m.base64, "base64"));
  return packets;
}
