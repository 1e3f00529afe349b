// Room is what this page knows of one room: messages, people, who types.
import { $, make } from "./dom.js";
import { colour, initials, time } from "./look.js";

export class Room {
  unread = 0;
  people = [];
  typists = new Map(); // user id → { name, timer }
  #messages = new Map(); // id → element, in the order of ids
  #notes = 0;
  #latest = null;

  constructor(name, me, changed) {
    this.name = name;
    this.me = me;
    this.changed = changed;
    this.list = make("ol");
  }

  // add shows a message once, however often it comes: in the history, as an
  // event, as what was missed.
  add(m) {
    if (this.#messages.has(m.id)) return false;
    const follows = this.#latest?.user.id === m.user.id && m.at - this.#latest.at < 120_000;
    const own = m.user.id === this.me.id;
    const item = make(`li${own ? ".own" : ""}${follows ? ".follows" : ""}`, { "--c": colour(m.user.id) },
      make("b.face", { "aria-hidden": "true" }, initials(m.user.name)),
      make("div.bubble", {}, make("span.who", {}, own ? "You" : m.user.name, make("time", {}, time(m.at))), this.#content(m)));
    this.#messages.set(m.id, item);
    this.#latest = m;
    this.quiet(m.user.id);
    this.list.append(item);
    return true;
  }

  #content(m) {
    if (!m.file) return make("p", {}, m.text);
    const source = URL.createObjectURL(new Blob([m.file], { type: m.type }));
    return make("img.picture", { src: source, alt: `A picture from ${m.user.name}`, onload: () => $("#messages").scrollTo(0, 1e9) });
  }

  // note shows that somebody came or went.
  note(text) {
    this.#latest = null;
    this.list.append(make("li.note", {}, text));
    if (++this.#notes > 40) this.list.querySelector(".note").remove();
  }

  // typing shows that somebody types, until told otherwise or for a while.
  typing(user, on) {
    this.quiet(user.id);
    if (on) this.typists.set(user.id, { name: user.name, timer: setTimeout(() => this.quiet(user.id), 4000) });
    this.changed(this);
  }

  quiet(id) {
    clearTimeout(this.typists.get(id)?.timer);
    if (this.typists.delete(id)) this.changed(this);
  }

  get typingText() {
    const names = [...this.typists.values()].map((t) => t.name);
    if (names.length > 2) return "Several people are typing";
    return names.length ? `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} typing` : "";
  }
}
