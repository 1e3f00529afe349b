// Colours of seats; robots are grey, so that people stand out.
const bright = ["#5cc8ff", "#ff6b6b", "#ffd166", "#7ae582", "#c792ff", "#ff9f5a", "#4ff0d0", "#ff7ac6", "#a3e635", "#8ab4ff", "#f4a3ff", "#ffb8a0", "#6ee7ff", "#e0e36b", "#b8a1ff", "#9affc0"];
const grey = "#93a1b8";

export const colourOf = (seat, pilot) => (pilot?.robot ? grey : bright[seat % bright.length]);

// Pickups by their number.
export const PICKUP = { spark: 0, cell: 1, heart: 2, triple: 3 };
export const pickupColour = ["#ffe08a", "#ffa25c", "#ff7a9c", "#b794ff"];

// Effects by their number; rules.go has them.
export const EFFECT = { hit: 0, blocked: 1, kill: 2, pickup: 3, spawn: 4, gone: 5, spark: 6 };

const moods = ["Quick", "Silent", "Lucky", "Bold", "Cosmic", "Solar", "Lunar", "Swift"];
const stars = ["Vega", "Rigel", "Altair", "Mira", "Deneb", "Lyra", "Atlas", "Nova"];
const any = (list) => list[Math.floor(Math.random() * list.length)];
export const someName = () => `${any(moods)} ${any(stars)}`;
