import { Glide } from "./glide.js";
import { colour } from "./look.js";

const TRAIL = 16; // frames
const EDGE = 34; // px between a far cursor's name and the edge of the screen

// Cursors are everybody's pointers, one element each.
export class Cursors {
  #all = new Map(); // member id → {element, glide, trail, …}

  constructor(layer, view) {
    this.layer = layer;
    this.view = view;
  }

  person(id, { name, colour: c }) {
    const cursor = this.#get(id);
    cursor.colour = c;
    cursor.element.style.setProperty("--c", colour(c));
    cursor.name.textContent = name;
  }

  move(id, [x, y], now) {
    const cursor = this.#get(id);
    if (!cursor.glide) {
      cursor.glide = new Glide();
      cursor.trail = [];
    }
    cursor.glide.push(x, y, now);
  }

  say(id, text) { this.#get(id).say.textContent = text; }

  // hide takes the cursor away and keeps the person.
  hide(id) {
    const cursor = this.#all.get(id);
    if (cursor) cursor.glide = null;
  }

  remove(id) {
    const cursor = this.#all.get(id);
    this.#all.delete(id);
    cursor?.element.classList.add("gone");
    setTimeout(() => cursor?.element.remove(), 300);
  }

  clear() { for (const id of [...this.#all.keys()]) this.remove(id); }

  // call makes a cursor show itself, and returns where it is.
  call(id) {
    const cursor = this.#all.get(id);
    cursor?.element.classList.add("called");
    setTimeout(() => cursor?.element.classList.remove("called"), 1100);
    return cursor?.glide?.aim;
  }

  // frame places the elements and returns the trails to paint.
  frame(now) {
    const trails = [];
    for (const cursor of this.#all.values()) {
      const { element, glide } = cursor;
      element.classList.toggle("gone", !glide);
      if (!glide) continue;
      const at = glide.at(now);
      this.#place(cursor, at);
      cursor.trail.push(at);
      if (cursor.trail.length > TRAIL) cursor.trail.shift();
      if (moved(cursor.trail)) trails.push({ points: cursor.trail, c: cursor.colour });
    }
    return trails;
  }

  #place(cursor, at) {
    const { view } = this;
    const p = view.toScreen(at.x, at.y);
    const x = Math.min(Math.max(p.x, EDGE), view.width - EDGE);
    const y = Math.min(Math.max(p.y, EDGE), view.height - EDGE);
    const far = p.x < -4 || p.y < -4 || p.x > view.width + 4 || p.y > view.height + 4;
    const { classList, style } = cursor.element;
    classList.toggle("far", far);
    classList.toggle("left", !far && p.x > view.width - 180);
    classList.toggle("up", !far && p.y > view.height - 130);
    style.transform = far ? `translate3d(${x}px, ${y}px, 0)` : `translate3d(${p.x}px, ${p.y}px, 0)`;
  }

  #get(id) {
    let cursor = this.#all.get(id);
    if (!cursor) {
      const element = pointer();
      this.layer.append(element);
      cursor = { element, name: element.querySelector(".name"), say: element.querySelector(".say"), glide: null, trail: [], colour: 1 };
      this.#all.set(id, cursor);
    }
    return cursor;
  }
}

// pointer returns the element of one cursor.
export function pointer() {
  const element = document.createElement("div");
  element.className = "cursor gone";
  element.innerHTML = `<svg viewBox="0 0 24 24"><path d="M4.2 3.2 20 10.3l-6.8 2.3-3 6.9z"/></svg><div class="tag"><span class="name"></span><span class="say"></span></div>`;
  return element;
}

function moved(trail) {
  const a = trail[0];
  const b = trail.at(-1);
  return Math.abs(a.x - b.x) + Math.abs(a.y - b.y) > 2;
}
