import { pointer } from "./cursors.js";
import { colour } from "./look.js";

const CURSOR_EVERY = 33; // ms between positions sent
const INK_EVERY = 60; // ms between pieces of a line sent
const INK_POINTS = 32; // points in one piece
const INK_STEP = 3; // board units between two points

// Hand is this page's own pointer: it shows at once and is sent as often as
// the room takes it.
export class Hand {
  tool = "point";
  colour = 1;
  at = null; // [x, y] on the board; null while the pointer is elsewhere
  busy = false; // typing: the pointer stays although the mouse leaves

  #line = null; // points not sent yet; the first ends the piece before
  #sentAt = 0;
  #inkAt = 0;
  #pending = null;
  #touches = new Map(); // pointer id → place on screen, for two fingers
  #panned = false;

  // send is {cursor(point), hide(), ink(points), burst(kind, point)}.
  constructor(surface, layer, view, send) {
    this.view = view;
    this.send = send;
    this.element = pointer();
    this.element.classList.add("me");
    layer.append(this.element);
    surface.addEventListener("pointerdown", (e) => this.#down(surface, e));
    surface.addEventListener("pointermove", (e) => this.#move(e));
    surface.addEventListener("pointerup", (e) => this.#up(e));
    surface.addEventListener("pointercancel", (e) => this.#up(e));
    surface.addEventListener("pointerleave", (e) => e.pointerType === "mouse" && this.#leave());
    surface.addEventListener("wheel", (e) => this.view.pan(-e.deltaX, -e.deltaY), { passive: true });
  }

  paintAs(c) {
    this.colour = c;
    this.element.style.setProperty("--c", colour(c));
  }

  // here is where the pointer is, or the middle of the screen.
  here() { return this.at ?? this.view.point(this.view.width / 2, this.view.height / 2); }

  // show puts the pointer on the board wherever it is known to be.
  show() {
    this.at = this.here();
    this.#moved(performance.now());
  }

  // again tells a room that has just been entered what it should know.
  again() { if (this.at) this.#moved(performance.now()); }

  frame(now) {
    this.element.classList.toggle("gone", !this.at);
    if (this.at) {
      const p = this.view.toScreen(...this.at);
      this.element.classList.toggle("left", p.x > this.view.width - 260);
      this.element.classList.toggle("up", p.y > this.view.height - 150);
      this.element.style.transform = `translate3d(${p.x}px, ${p.y}px, 0)`;
    }
    if (this.#pending && now - this.#sentAt >= CURSOR_EVERY) this.#moved(now);
    if (this.#line?.length > 1 && now - this.#inkAt >= INK_EVERY) this.#sendLine(now);
  }

  #down(surface, e) {
    surface.setPointerCapture(e.pointerId);
    document.activeElement?.blur?.();
    this.#touches.set(e.pointerId, { x: e.clientX, y: e.clientY });
    if (this.#touches.size > 1) {
      this.#panned = true;
      this.#line = null;
      return;
    }
    this.#panned = false;
    this.#to(e);
    this.element.classList.add("down");
    if (this.tool === "pen") this.#line = [this.at];
  }

  #move(e) {
    const before = this.#touches.get(e.pointerId);
    if (before) this.#touches.set(e.pointerId, { x: e.clientX, y: e.clientY });
    if (this.#panned) {
      if (before) this.view.pan((e.clientX - before.x) / this.#touches.size, (e.clientY - before.y) / this.#touches.size);
      return;
    }
    for (const part of e.getCoalescedEvents?.() ?? []) this.#draw(this.view.point(part.clientX, part.clientY));
    this.#to(e);
    this.#draw(this.at);
  }

  #up(e) {
    this.#touches.delete(e.pointerId);
    this.element.classList.remove("down");
    if (this.#panned || e.type === "pointercancel") {
      this.#line = null;
      return;
    }
    const now = performance.now();
    if (this.tool === "pen") {
      if (this.#line?.length === 1) this.#line.push([Math.min(this.#line[0][0] + 1, this.view.boardWidth), this.#line[0][1]]); // a dot
      if (this.#line?.length > 1) this.#sendLine(now);
      this.#line = null;
    } else {
      this.send.burst(this.tool === "point" ? "ripple" : this.tool, this.at);
    }
  }

  #leave() {
    if (this.#line || this.busy) return;
    this.at = this.#pending = null;
    this.send.hide();
  }

  #to(e) {
    this.at = this.view.point(e.clientX, e.clientY);
    const now = performance.now();
    if (now - this.#sentAt >= CURSOR_EVERY) this.#moved(now);
    else this.#pending = this.at;
  }

  #moved(now) {
    this.#sentAt = now;
    this.#pending = null;
    this.send.cursor(this.at);
  }

  #draw(p) {
    const last = this.#line?.at(-1);
    if (!last || Math.hypot(p[0] - last[0], p[1] - last[1]) < INK_STEP) return;
    this.#line.push(p);
    if (this.#line.length >= INK_POINTS) this.#sendLine(performance.now());
  }

  #sendLine(now) {
    this.send.ink(this.#line);
    this.#line = [this.#line.at(-1)];
    this.#inkAt = now;
  }
}
