// Another user's cursor: an arrow in their colour, their flag and their name.
import { html } from "htm/preact";
import { hue } from "../user/user.js";
import { useIsHidden } from "./moderation.js";

/**
 * @typedef {object} CursorProps
 * @property {string} id
 * @property {{ x: number, y: number, pointer: "mouse" | "touch" }} at
 * @property {string | null} country
 * @property {string | null} name
 */

/** @param {CursorProps} props */
export function Cursor({ id, at, country, name }) {
  if (useIsHidden(name)) return null;
  const style = {
    "--x": `${at.x * 100}vw`,
    "--y": `${at.y * 100}vh`,
    "--hue": hue(name ?? id),
  };
  return html`
    <div class=${`cursor ${at.pointer} ${edges(at)}`} style=${style}>
      <svg viewBox="0 0 20 24" width="25" height="30">
        <path d="M2 2v17l4.6-4 3 7 3.2-1.4-3-6.800H17z" />
      </svg>
      <span class="cursor-label">
        ${flag(country)}${name && html`<b>${name}</b>`}
      </span>
    </div>
  `;
}

/**
 * Return the classes that move the name away from an edge of the window.
 * @param {{ x: number, y: number }} at
 */
function edges({ x, y }) {
  return `${x > 0.85 ? "right" : ""} ${y > 0.9 ? "bottom" : ""}`;
}

/**
 * Return a country's flag: its two letters as regional indicator symbols.
 * @param {string | null} country
 */
function flag(country) {
  const letters = [...(country ?? "")];
  return letters
    .map((letter) => String.fromCodePoint(letter.charCodeAt(0) + 127397))
    .join("");
}
