// byId finds an element that index.html has.
export const byId = (id) => document.getElementById(id);

// el makes an element. Children are elements or texts; nothing is ever parsed
// as HTML. style holds custom properties.
export function el(tag, { style, data, ...attributes } = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) e.setAttribute(name, "");
    else if (value !== false && value != null) e.setAttribute(name, value);
  }
  for (const [name, value] of Object.entries(style ?? {})) e.style.setProperty(name, value);
  Object.assign(e.dataset, data);
  e.append(...children);
  return e;
}

// svg makes an SVG element.
export function svg(tag, attributes, ...children) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  e.append(...children);
  return e;
}

// copy puts a text on the clipboard and says so on the button for a moment.
export async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed";
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}

// milliseconds writes a duration for people.
export function milliseconds(ms) {
  if (ms >= 10_000) return `${Math.round(ms / 1000)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}

// clock writes a time of day.
export const clock = (date) => date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
