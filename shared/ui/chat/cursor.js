// Somebody's cursor: an arrow in their colour, their flag and their name.
import { html } from "htm/preact";
import { hue } from "./hue.js";
import { useHidden } from "./moderation.js";

/**
 * @typedef {object} CursorProps
 * @property {string} id
 * @property {{ x: number, y: number, pointer: "mouse" | "touch" }} at
 * @property {string | null} country
 * @property {string | null} name
 */

/** @param {CursorProps} props */
export function Cursor({ id, at, country, name }) {
  if (useHidden(name)) return null;
  const place = {
    "--x": `${at.x * 100}vw`,
    "--y": `${at.y * 100}vh`,
    "--hue": hue(name ?? id),
  };
  return html`
    <div class=${`cursor ${at.pointer} ${edges(at)}`} style=${place}>
      <svg viewBox="0 0 20 24" width="25" height="30">
        <path d="M2 2v17l4.600-4 3 7 3.200-1.400-3-6.800H17z" />
      </svg>
      <span class="who">${flag(country)}${name && html`<b>${name}</b>`}</span>
    </div>
  `;
}

/**
 * Near an edge, the name is on the other side.
 * @param {{ x: number, y: number }} at
 */
function edges({ x, y }) {
  return `${x > 0.85 ? "right" : ""} ${y > 0.9 ? "bottom" : ""}`;
}

/**
 * A flag is its country's two letters, written in letters for flags.
 * @param {string | null} country
 */
function flag(country) {
  const letters = [...(country ?? "")];
  return letters
    .map((letter) => String.fromCodePoint(letter.charCodeAt(0) + 127397))
    .join("");
}
