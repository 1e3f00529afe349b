import { byId, clock, el } from "./dom.js";
import { safeColor, safeName } from "./identity.js";
import { initial } from "./people.js";

const most = 300; // lines on the page

// Chat shows messages in the order of the room: by the sequence number of
// their stamps, own ones included.
export class Chat {
  constructor() {
    this.list = byId("messages");
    this.input = byId("chat-text");
    byId("chat-form").addEventListener("submit", (e) => { e.preventDefault(); this.submit(); });
    this.input.addEventListener("input", () => this.typing());
  }

  attach(room) {
    this.room = room;
    this.clear();
    room.addEventListener("entered", ({ detail }) => this.entered(detail));
    room.addEventListener("history", ({ detail }) => detail.forEach((m) => this.add(m)));
    room.addEventListener("chat", ({ detail }) => this.add(detail));
    room.addEventListener("change", ({ detail }) => this.present(detail));
  }

  // entered starts afresh for a new member. Who kept its seat but missed too
  // much keeps what is on the page.
  entered({ recovered, kept }) {
    if (recovered) return;
    if (kept) this.note("something may be missing here");
    else this.clear();
  }

  clear() {
    this.list.replaceChildren();
    this.seen = new Set();
    this.names = new Map();
  }

  // add shows a message that has its place. Messages of this page carry the
  // name and colour of their time; others are given those of now.
  add(message) {
    if (this.seen.has(message.seq)) return;
    this.seen.add(message.seq);
    const { name, color } = this.room.person(message.from);
    this.insert(this.line({ name, color, ...message }), message.seq);
  }

  line({ text, name, color, from, at }) {
    const you = from === this.room.me;
    return el("li", { class: you ? "message own" : "message", style: { "--color": safeColor(color) }, data: { from } },
      el("span", { class: "avatar", "aria-hidden": "true" }, initial(safeName(name))),
      el("div", { class: "body" },
        el("p", { class: "by" }, el("b", {}, safeName(name)), el("time", {}, clock(new Date(at)))),
        el("p", { class: "text" }, String(text ?? "").slice(0, 500))));
  }

  // insert puts a line where its number belongs; lines without one come last.
  insert(line, seq = Infinity) {
    const follow = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 40;
    line.dataset.seq = seq;
    let before = null;
    for (let at = this.list.lastElementChild; at && Number(at.dataset.seq) > seq; at = at.previousElementSibling) before = at;
    this.list.insertBefore(line, before);
    this.group(line);
    if (line.nextElementSibling) this.group(line.nextElementSibling);
    while (this.list.childElementCount > most) this.list.firstElementChild.remove();
    if (follow || line.classList.contains("own")) this.list.scrollTop = this.list.scrollHeight;
  }

  // group leaves out the name where the same member goes on.
  group(line) {
    const before = line.previousElementSibling;
    line.classList.toggle("again", Boolean(before && line.dataset.from && before.dataset.from === line.dataset.from));
  }

  // note shows something that happened, as a line between messages.
  note(text, kind = "") {
    const last = Number(this.list.lastElementChild?.dataset.seq);
    this.insert(el("li", { class: `note ${kind}` }, text), Number.isFinite(last) ? last : 0);
  }

  // present says who came and who went while this member is there.
  present({ field, key, value, live }) {
    if (field !== "members" || key === this.room.me) return;
    if (value) {
      const { name } = this.room.person(key);
      if (live && !this.names.has(key)) this.note(`${name} came in`);
      this.names.set(key, name);
    } else {
      if (live && this.names.has(key)) this.note(`${this.names.get(key)} left`);
      this.names.delete(key);
    }
  }

  async submit() {
    const text = this.input.value.trim();
    if (!text) return;
    this.input.value = "";
    this.typing(false);
    const { room } = this;
    const message = { text, ...room.identity.profile(), from: room.me, at: Date.now() };
    const waiting = this.line(message);
    waiting.classList.add("waiting");
    this.insert(waiting);
    try {
      const stamp = await room.say(text);
      waiting.remove();
      if (room === this.room) this.add({ ...message, ...stamp });
    } catch (error) {
      waiting.classList.replace("waiting", "failed");
      waiting.title = error.message;
    }
  }

  // typing tells the others, and takes it back after a pause.
  typing(is = this.input.value !== "") {
    clearTimeout(this.pause);
    if (is) this.pause = setTimeout(() => this.typing(false), 3000);
    if (is === this.told) return;
    this.told = is;
    this.room?.typing(is);
  }
}
