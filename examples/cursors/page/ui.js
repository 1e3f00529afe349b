import { colour, colours, icon, initials, someName } from "./look.js";

const $ = (id) => document.getElementById(id);
const stored = "parlor-cursors";
const SHOWN = () => (innerWidth > 620 ? 8 : 3); // people in the strip

// remembered is who this browser was before: {name, colour}, colour 0 if the
// room should choose.
export function remembered() {
  try {
    const me = JSON.parse(localStorage.getItem(stored));
    if (typeof me?.name === "string" && Number.isInteger(me.colour)) return { name: me.name, colour: me.colour };
  } catch { /* nothing that could be read */ }
  return { name: someName(), colour: 0 };
}

export function status(state, text = "") {
  $("status").dataset.state = state;
  $("status").lastElementChild.textContent = text;
}

export function refused(message, again) {
  $("refused").hidden = !message;
  $("refused").querySelector("p").textContent = message ?? "";
  $("retry").onclick = again;
}

let lowering;
export function toast(text) {
  $("toast").textContent = text;
  $("toast").classList.add("up");
  clearTimeout(lowering);
  lowering = setTimeout(() => $("toast").classList.remove("up"), 2200);
}

let find = () => {};

// showPeople shows who is here, oneself first.
let before = "";
export function showPeople(people, own) {
  const list = [...people].sort(([a], [b]) => (b === own) - (a === own));
  const shown = JSON.stringify([list, SHOWN()]);
  if (shown === before) return;
  before = shown;
  const fits = list.length > SHOWN() ? SHOWN() - 1 : list.length;
  const buttons = list.slice(0, fits).map(([id, p]) => {
    const button = document.createElement("button");
    button.textContent = initials(p.name);
    button.style.setProperty("--c", colour(p.colour));
    button.title = id === own ? `${p.name} (you)` : p.name;
    if (id === own) {
      button.id = "me";
      button.className = "me";
    }
    button.onclick = id === own ? openProfile : () => find(id);
    return button;
  });
  if (list.length > fits) {
    const more = document.createElement("button");
    more.className = "more";
    more.textContent = `+${list.length - fits}`;
    more.title = list.slice(fits).map(([, p]) => p.name).join(", ");
    buttons.push(more);
  }
  $("people").replaceChildren(...buttons);
  $("hint").hidden = people.size > 1;
  document.body.style.setProperty("--mine", colour(people.get(own)?.colour));
}

let openProfile = () => {};

// start wires the controls. page is {room, me, hand, rename, say, find}.
export function start(page) {
  $("room").textContent = page.room;
  document.title = `${page.room} · Cursors`;
  find = page.find;
  startTools(page.hand);
  startSay(page);
  startProfile(page);
  startInvitation();
}

function startTools(hand) {
  const buttons = [...document.querySelectorAll("#tools [data-tool]")];
  const choose = (tool) => {
    hand.tool = tool;
    for (const button of buttons) button.setAttribute("aria-checked", button.dataset.tool === tool);
  };
  for (const button of buttons) {
    if (!button.firstChild) button.innerHTML = icon(button.dataset.tool);
    button.onclick = () => choose(button.dataset.tool);
  }
  choose("point");
  const keys = { v: "point", p: "pen" };
  const bursts = { 1: "heart", 2: "star", 3: "bolt", 4: "smile", 5: "ask" };
  addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, dialog")) return;
    if (keys[e.key]) choose(keys[e.key]);
    if (bursts[e.key]) hand.at ? hand.send.burst(bursts[e.key], hand.at) : choose(bursts[e.key]);
    if (e.key === "/") {
      e.preventDefault();
      $("say").click();
    }
  });
}

// startSay lets words be typed at the own cursor. Others see them grow.
function startSay({ hand, say }) {
  const SEND_EVERY = 120;
  const tag = hand.element.querySelector(".tag");
  const words = hand.element.querySelector(".say");
  const input = document.createElement("input");
  input.id = "words";
  input.maxLength = 90;
  input.placeholder = "Say something";
  input.autocomplete = "off";
  input.enterKeyHint = "send";
  let timer;
  const send = () => {
    clearTimeout(timer);
    timer = undefined;
    say(input.value);
  };
  const close = () => {
    if (!hand.busy) return; // removing the input blurs it, which asks to close again
    hand.busy = false;
    if (timer) send();
    words.textContent = input.value.trim();
    input.remove();
  };
  input.oninput = () => (timer ??= setTimeout(send, SEND_EVERY));
  input.onblur = close;
  input.onkeydown = (e) => {
    if (e.key === "Escape") {
      input.value = "";
      send();
    }
    if (e.key === "Enter" || e.key === "Escape") close();
  };
  $("say").onclick = () => {
    hand.busy = true;
    hand.show();
    words.textContent = input.value = "";
    tag.append(input);
    input.focus();
  };
}

// unsay removes the own words when the room has done so.
export function unsay(element) {
  if (!element.querySelector("input")) element.querySelector(".say").textContent = "";
}

function startProfile({ me, rename }) {
  let chosen = me.colour;
  const swatches = Array.from({ length: colours }, (_, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.style.setProperty("--c", colour(i + 1));
    button.setAttribute("role", "radio");
    button.setAttribute("aria-label", `Colour ${i + 1}`);
    button.onclick = () => choose(i + 1);
    return button;
  });
  const choose = (n) => {
    chosen = n;
    swatches.forEach((button, i) => button.setAttribute("aria-checked", i + 1 === n));
  };
  $("colours").replaceChildren(...swatches);
  openProfile = () => {
    const own = window.__parlor.members.find((p) => p.id === window.__parlor.id);
    $("name").value = own?.name ?? me.name;
    choose(own?.colour ?? chosen);
    $("profile").showModal();
    $("name").select();
  };
  $("profile").onclose = async () => {
    if ($("profile").returnValue !== "save") return;
    try {
      const { name, colour } = await rename({ name: $("name").value, colour: chosen });
      Object.assign(me, { name, colour });
      localStorage.setItem(stored, JSON.stringify(me));
    } catch (error) {
      toast(error.message);
    }
  };
  // Enter in the name saves, although the first button of the form is Cancel.
  $("name").onkeydown = (e) => {
    if (e.key !== "Enter") return;
    e.preventDefault();
    $("save").click();
  };
}

function startInvitation() {
  const link = $("invite-link");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      toast("Link copied");
      $("invitation").close();
    } catch {
      // A page without TLS has no clipboard; the link can be selected.
      if (!$("invitation").open) $("invitation").showModal();
      link.value = location.href;
      link.select();
    }
  };
  $("invite").onclick = () => {
    link.value = location.href;
    $("invitation").showModal();
    link.select();
  };
  $("hint-invite").onclick = copy;
  $("copy-link").onclick = copy;
  $("new-board").onclick = () => (location.hash = `board-${Math.random().toString(36).slice(2, 8)}`);
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (e) => e.target === dialog && dialog.close("cancel"));
  }
}
