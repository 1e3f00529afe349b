// How people look: a colour that follows from the id, and initials.
const palette = ["#e5484d", "#e2681c", "#b98400", "#4f9e34", "#12a594", "#0794bd", "#2f7ff0", "#4a5bd8", "#7a55d3", "#a743b5", "#e23f83", "#927050"];

export function colour(id) {
  let n = 7;
  for (const c of id) n = (n * 31 + c.codePointAt(0)) >>> 0;
  return palette[n % palette.length];
}

export function initials(name) {
  const words = name.split(" ").filter(Boolean);
  const letters = words.length > 1 ? [...words[0]][0] + [...words.at(-1)][0] : [...name].slice(0, 2).join("");
  return letters.toUpperCase();
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
export const time = (ms) => clock.format(ms);
