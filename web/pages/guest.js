// Who somebody is, before they say so: a friendly name, and a colour for a name.

const first = ["Amber", "Brisk", "Calm", "Dusky", "Early", "Fair", "Gentle", "Hazel", "Ivory", "Jolly",
  "Keen", "Lively", "Merry", "Noble", "Opal", "Quiet", "Rosy", "Silver", "Tidy", "Wild"];
const second = ["Auk", "Bream", "Crab", "Dunlin", "Eider", "Fulmar", "Gannet", "Heron", "Ibis", "Kelp",
  "Limpet", "Marlin", "Nautilus", "Otter", "Petrel", "Ray", "Seal", "Tern", "Urchin", "Whelk"];

// guestName makes a name such as "Quiet Heron".
export function guestName(random = Math.random) {
  const pick = (words) => words[Math.floor(random() * words.length)];
  return `${pick(first)} ${pick(second)}`;
}

// hue gives a name its colour, an angle from 0 to 359: the same in every tab,
// and after every restart. (FNV-1a, then the golden ratio to spread it out.)
export function hue(name) {
  let hash = 0x811c9dc5;
  for (const c of name) hash = Math.imul(hash ^ c.codePointAt(0), 0x01000193) >>> 0;
  return Math.floor(((hash * 0.618034) % 1) * 360);
}
