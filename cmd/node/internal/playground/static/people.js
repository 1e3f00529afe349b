import { byId, el, milliseconds } from "./dom.js";

// People lists the members with their round trips, which each measures by an
// acknowledgement and keeps in the synced field "latency".
export class People {
  constructor() {
    this.list = byId("people");
    this.rows = new Map();
  }

  attach(room) {
    this.room = room;
    this.rows.clear();
    this.list.replaceChildren();
    this.count();
    const update = () => this.schedule();
    room.addEventListener("change", ({ detail }) => detail.field !== "cursor" && update());
    room.addEventListener("entered", update);
  }

  // schedule gathers the changes of one frame.
  schedule() {
    this.due ||= requestAnimationFrame(() => { this.due = 0; this.draw(); });
  }

  draw() {
    const people = this.room.people();
    const gone = new Set(this.rows.keys());
    people.forEach((p, i) => {
      gone.delete(p.id);
      const row = this.rows.get(p.id) ?? this.add(p.id);
      this.fill(row, p);
      if (this.list.children[i] !== row.element) this.list.insertBefore(row.element, this.list.children[i] ?? null);
    });
    for (const id of gone) {
      this.rows.get(id).element.remove();
      this.rows.delete(id);
    }
    this.count(people.length);
    byId("typing").textContent = whoTypes(people.filter((p) => p.typing && !p.you).map((p) => p.name));
  }

  add(id) {
    const avatar = el("span", { class: "avatar" });
    const name = el("span", { class: "name" });
    const latency = el("span", { class: "latency" });
    const element = el("li", { data: { member: id } }, avatar, name, latency);
    const row = { element, avatar, name, latency };
    this.rows.set(id, row);
    return row;
  }

  fill({ element, avatar, name, latency }, p) {
    element.style.setProperty("--color", p.color);
    element.classList.toggle("typing", p.typing);
    avatar.textContent = initial(p.name);
    name.replaceChildren(p.name, ...(p.you ? [el("span", { class: "you" }, "you")] : []));
    const known = typeof p.latency === "number" && p.latency > 0;
    latency.textContent = known ? milliseconds(p.latency) : "…";
    latency.dataset.quality = known ? quality(p.latency) : "unknown";
  }

  count(n = 0) {
    byId("people-count").textContent = n || "";
    byId("invite").hidden = n !== 1;
  }
}

export const initial = (name) => ([...name][0] ?? "?").toUpperCase();

export function quality(ms) {
  if (ms < 80) return "good";
  return ms < 250 ? "fair" : "poor";
}

function whoTypes(names) {
  if (names.length === 0) return "";
  if (names.length > 3) return "several people are typing…";
  const last = names.pop();
  return names.length ? `${names.join(", ")} and ${last} are typing…` : `${last} is typing…`;
}
