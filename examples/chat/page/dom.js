// make builds an element: make("li.own", { title }, child, "text").
export function make(what, props = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  element.className = classes.join(" ");
  for (const [name, value] of Object.entries(props))
    if (name.startsWith("--")) element.style.setProperty(name, value);
    else if (name.includes("-")) element.setAttribute(name, value);
    else element[name] = value;
  element.append(...children);
  return element;
}

export const $ = (selector) => document.querySelector(selector);

export function toast(title, text, kind = "note") {
  const box = make(`div.${kind}`, {}, make("strong", {}, title), make("span", {}, text));
  $("#toasts").append(box);
  setTimeout(() => box.classList.add("gone"), 6000);
  setTimeout(() => box.remove(), 6400);
}
