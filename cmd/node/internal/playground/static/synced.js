// Synced is a copy of the room's synced fields, all of which are maps in this
// kind of room: docs/protocol.md, section 4. Every difference is told once, as
// {field, key, value, live}: value is undefined for what is gone, and live is
// false for what was there on entering.
export class Synced {
  constructor(tell) {
    this.tell = tell;
    this.fields = {};
    this.coming = {};
  }

  get(field, key) { return this.fields[field]?.get(key); }

  keys(field) { return [...(this.fields[field]?.keys() ?? [])]; }

  listen(socket) {
    socket.on("room:state", (s) => this.state(s));
    socket.on("room:patch", (p) => this.patch(p));
  }

  // state takes one part of the whole.
  state({ part, last, fields }) {
    if (part === 0) this.coming = {};
    for (const [field, entries] of Object.entries(fields)) {
      this.coming[field] ??= new Map();
      for (const [key, value] of Object.entries(entries)) this.coming[field].set(key, value);
    }
    if (!last) return;
    const before = this.fields;
    this.fields = this.coming;
    for (const [field, entries] of Object.entries(before)) {
      for (const key of entries.keys()) {
        if (!this.fields[field]?.has(key)) this.tell({ field, key, value: undefined, live: false });
      }
    }
    for (const [field, entries] of Object.entries(this.fields)) {
      for (const [key, value] of entries) this.tell({ field, key, value, live: false });
    }
  }

  // patch takes what changed: first what is gone, then what is there.
  patch({ set = {}, del = {} }) {
    for (const [field, keys] of Object.entries(del)) {
      for (const key of keys) {
        if (this.fields[field]?.delete(key)) this.tell({ field, key, value: undefined, live: true });
      }
    }
    for (const [field, entries] of Object.entries(set)) {
      this.fields[field] ??= new Map();
      for (const [key, value] of Object.entries(entries)) {
        this.fields[field].set(key, value);
        this.tell({ field, key, value, live: true });
      }
    }
  }
}
