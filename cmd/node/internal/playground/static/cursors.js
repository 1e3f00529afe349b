import { el, svg } from "./dom.js";

const sendEvery = 33; // ms
const behind = 80;    // ms that others are shown late, so that there are two points to move between

// Cursors shows where the others point and sends where this pointer is.
// Positions are fractions of the stage, which has another size for everyone.
export class Cursors {
  constructor(stage, layer) {
    this.stage = stage;
    this.layer = layer;
    this.others = new Map(); // member id → {element, label, samples}
    this.sentAt = 0;
    this.later = 0;
    stage.addEventListener("pointermove", (e) => this.moved(e));
    stage.addEventListener("pointerdown", (e) => this.moved(e));
    stage.addEventListener("pointerleave", () => this.gone());
    document.addEventListener("visibilitychange", () => document.hidden && this.gone());
    const frame = (now) => { this.draw(now); requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
  }

  attach(room) {
    this.room = room;
    for (const id of [...this.others.keys()]) this.remove(id);
    room.addEventListener("change", ({ detail: { field, key, value } }) => {
      if (field === "cursor" && key !== room.me) value ? this.place(key, value) : this.remove(key);
      if ((field === "me" || field === "members") && this.others.has(key)) this.name(key);
    });
    room.addEventListener("entered", () => this.remove(room.me));
  }

  // place notes where a member points.
  place(id, { x, y }) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) return;
    const other = this.others.get(id) ?? this.add(id);
    const now = performance.now();
    // After a pause the way starts where the pointer stood, not when it came there.
    const last = other.samples.at(-1);
    if (last && now - last.at > 2 * behind) other.samples.push({ ...last, at: now - behind / 2 });
    other.samples.push({ x: clamp(x), y: clamp(y), at: now });
    if (other.samples.length > 16) other.samples.shift();
  }

  add(id) {
    const label = el("span", { class: "cursor-name" });
    const element = el("div", { class: "cursor", data: { member: id } }, arrow(), label);
    const other = { element, label, samples: [] };
    this.others.set(id, other);
    this.layer.append(element);
    this.name(id);
    return other;
  }

  name(id) {
    const { element, label } = this.others.get(id);
    const { name, color } = this.room.person(id);
    label.textContent = name;
    element.style.setProperty("--color", color);
  }

  remove(id) {
    this.others.get(id)?.element.remove();
    this.others.delete(id);
  }

  draw(now) {
    if (this.others.size === 0) return;
    const { clientWidth: w, clientHeight: h } = this.stage;
    for (const { element, samples } of this.others.values()) {
      const { x, y } = between(samples, now - behind);
      element.style.transform = `translate(${(x * w).toFixed(2)}px, ${(y * h).toFixed(2)}px)`;
    }
  }

  // moved sends the pointer's place, at most every sendEvery ms, the last one
  // always.
  moved(e) {
    const box = this.stage.getBoundingClientRect();
    this.at = { x: fraction((e.clientX - box.left) / box.width), y: fraction((e.clientY - box.top) / box.height) };
    if (this.later) return;
    const wait = Math.max(0, this.sentAt + sendEvery - performance.now());
    this.later = setTimeout(() => this.send(), wait);
  }

  gone() {
    this.at = null;
    clearTimeout(this.later);
    this.send();
  }

  send() {
    this.later = 0;
    this.sentAt = performance.now();
    this.room?.point(this.at);
  }
}

const clamp = (n) => Math.min(1, Math.max(0, n));
const fraction = (n) => Math.round(clamp(n) * 1e4) / 1e4;

// between is the place at a time, on the line between the samples around it.
function between(samples, at) {
  while (samples.length > 2 && samples[1].at <= at) samples.shift();
  const [a, b] = samples;
  if (!b || at <= a.at) return a;
  const t = Math.min(1, (at - a.at) / Math.max(1, b.at - a.at));
  return { x: a.x + (b.x - a.x) * t, y: a.y + (b.y - a.y) * t };
}

const arrow = () => svg("svg", { viewBox: "0 0 20 20", width: 20, height: 20 },
  svg("path", { d: "M2.5 2 17 9.2l-6.3 1.9L7.6 17z" }));
