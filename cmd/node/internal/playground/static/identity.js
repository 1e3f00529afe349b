// Who this tab is: a name and a colour. The last choice is remembered by the
// browser; each tab keeps its own, so that two of them can meet.

export const colors = [
  "#e11d48", "#ea580c", "#ca8a04", "#16a34a", "#0d9488",
  "#0284c7", "#4f46e5", "#9333ea", "#c026d3", "#64748b",
];

const adjectives = ["Quiet", "Brave", "Merry", "Swift", "Gentle", "Clever", "Sunny", "Curious", "Mellow", "Bright"];
const animals = ["Otter", "Heron", "Lynx", "Finch", "Badger", "Marten", "Hare", "Wren", "Fox", "Seal"];

const any = (list) => list[Math.floor(Math.random() * list.length)];

// safeColor is c if it is a colour a member may have, and grey otherwise.
export const safeColor = (c) => (/^#[0-9a-f]{6}$/i.test(c) ? c : "#64748b");

// safeName is a name that fits, or a stand-in.
export const safeName = (name) => (typeof name === "string" && name.trim() ? name.trim().slice(0, 24) : "Somebody");

export class Identity extends EventTarget {
  constructor() {
    super();
    const known = read(sessionStorage) ?? read(localStorage) ?? {};
    this.name = safeName(known.name ?? `${any(adjectives)} ${any(animals)}`);
    this.color = safeColor(known.color ?? any(colors));
    this.save(!known.name);
  }

  // profile is what the room is told on entering.
  profile() { return { name: this.name, color: this.color }; }

  // change sets name or colour, and tells those who listen for "change".
  change(what, { remember = true } = {}) {
    const name = safeName(what.name ?? this.name);
    const color = safeColor(what.color ?? this.color);
    if (name === this.name && color === this.color) return;
    this.name = name;
    this.color = color;
    this.save(remember);
    this.dispatchEvent(new Event("change"));
  }

  // stepAside picks what tells this tab from others with the same name and
  // colour: another tab of the same person, usually.
  stepAside(others) {
    const twins = others.filter((o) => o.name === this.name && o.color === this.color);
    if (twins.length === 0) return;
    const taken = new Set(others.map((o) => o.name));
    const base = this.name.replace(/ \d+$/, "").slice(0, 20);
    let n = 2;
    while (taken.has(`${base} ${n}`)) n++;
    const free = colors.filter((c) => !others.some((o) => o.color === c));
    this.change({ name: `${base} ${n}`, color: free.length ? any(free) : this.color }, { remember: false });
  }

  save(remember) {
    const text = JSON.stringify(this.profile());
    write(sessionStorage, text);
    if (remember) write(localStorage, text);
  }
}

const key = "parlor.playground.me";

// Storage may be switched off: then nothing is remembered.
function read(storage) {
  try { return JSON.parse(storage.getItem(key)); } catch { return null; }
}

function write(storage, text) {
  try { storage.setItem(key, text); } catch { /* not remembered */ }
}
