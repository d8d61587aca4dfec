// What the presenter decided for everybody, as the room has told this page.
import { html } from "htm/preact";
import { useLayoutEffect, useState } from "preact/hooks";

/**
 * Muted names come as `bare` makes them.
 * @typedef {{ ai?: "paused", judge?: "failing", cursors?: "hidden",
 *   muted?: string[] }} Rules
 */

/** @type {Rules} */
const NONE = {};
const JUDGE = "The AI is silent: "
  + "the model that decides when it replies does not answer.";
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Me}\p{Mn}\p{Z}\u115f\u1160\u2800]/gu;

/** @type {Set<(rules: Rules) => void>} */
const listeners = new Set();
let current = NONE;

/** @param {Rules} rules */
function become(rules) {
  current = rules;
  for (const listener of listeners) listener(rules);
}

/** @param {(rules: Rules) => void} listener */
function subscribe(listener) {
  listeners.add(listener);
  listener(current);
  return () => void listeners.delete(listener);
}

/**
 * As the server compares names: its case folding makes “ss” of “ß”.
 * @param {string} name
 */
function bare(name) {
  const folded = name.normalize("NFKC").toUpperCase().toLowerCase();
  return folded.replace(INVISIBLE, "");
}

/**
 * Whether somebody's cursor is not to be seen.
 * @param {string | null} name
 */
export function useHidden(name) {
  const [{ cursors, muted }, setRules] = useState(current);
  useLayoutEffect(() => subscribe(setRules), []);
  return cursors === "hidden" || (muted?.includes(bare(name ?? "")) ?? false);
}

/**
 * Says what the presenter has stopped; what it is told holds for the page.
 * @param {{ rules?: Rules }} props
 */
export function Notice({ rules = NONE }) {
  useLayoutEffect(() => become(rules), [rules]);
  const words = [
    rules.ai && "The presenter has paused the AI.",
    rules.judge && JUDGE,
    rules.cursors && "The presenter has hidden all cursors.",
  ];
  return html`
    <p class="notice" role="status">${words.filter(Boolean).join(" ")}</p>
  `;
}
