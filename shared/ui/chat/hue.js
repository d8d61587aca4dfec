// A hue for a name: the same name has the same one on every page.

/** @param {string} name */
export function hue(name) {
  let hash = 0;
  for (const letter of name) {
    hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 3600;
  }
  return (hash * 137) % 360;
}
