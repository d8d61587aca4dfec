// A colour for a name: the same name has the same colour everywhere.

/** @param {string} name */
export function hue(name) {
  let sum = 0;
  for (const letter of name) {
    sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 3600;
  }
  return (sum * 137) % 360;
}
