import { el } from "./dom.js";
import { safeColor } from "./identity.js";
import { shape, shapes } from "./shapes.js";

const most = 60; // on the screen at a time

// Reactions are volatile: seen by who is there and keeps up, by nobody else.
export class Reactions {
  constructor(stage, layer, bar) {
    this.layer = layer;
    this.chosen = shapes[0];
    this.buttons = shapes.map((name, i) => {
      const b = el("button", { type: "button", title: `${name} (key ${i + 1})`, "aria-label": name, data: { shape: name } }, shape(name));
      b.addEventListener("click", () => { this.choose(name); this.send(name, 0.3 + Math.random() * 0.4, 0.75); });
      return b;
    });
    this.choose(this.chosen);
    bar.append(...this.buttons, el("span", { class: "hint" }, "or click anywhere"));
    stage.addEventListener("click", (e) => {
      if (e.target.closest("button, a, input")) return;
      const box = stage.getBoundingClientRect();
      this.send(this.chosen, (e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height);
    });
    document.addEventListener("keydown", (e) => {
      const name = shapes[Number(e.key) - 1];
      if (!name || e.ctrlKey || e.metaKey || e.altKey || e.target.closest?.("input")) return;
      this.choose(name);
      this.send(name, 0.2 + Math.random() * 0.6, 0.5 + Math.random() * 0.3);
    });
  }

  attach(room) {
    this.room = room;
    room.addEventListener("react", ({ detail }) => this.show(detail));
  }

  choose(name) {
    this.chosen = name;
    for (const b of this.buttons) b.setAttribute("aria-pressed", String(b.dataset.shape === name));
  }

  send(name, x, y) {
    if (!this.room) return;
    const reaction = { shape: name, color: this.room.identity.color, x: Math.round(x * 1e4) / 1e4, y: Math.round(y * 1e4) / 1e4 };
    this.show(reaction);
    this.room.react(reaction);
  }

  show({ shape: name, color, x, y }) {
    if (!shapes.includes(name) || !(x >= 0 && x <= 1 && y >= 0 && y <= 1)) return;
    if (this.layer.childElementCount >= most) this.layer.firstElementChild.remove();
    const e = el("span", {
      class: "reaction",
      style: { "--x": `${x * 100}%`, "--y": `${y * 100}%`, "--drift": `${(Math.random() - 0.5) * 80}px`, "--color": safeColor(color) },
    }, shape(name));
    e.addEventListener("animationend", () => e.remove());
    this.layer.append(e);
  }
}
