// The restrictions that the presenter has set, as the room sends them.
import { html } from "htm/preact";
import { useLayoutEffect } from "preact/hooks";
import { createStore } from "../store.js";

/**
 * Muted names are normalized by the server.
 * @typedef {{ ai?: "paused" | "presenter", replies?: "recorded",
 *   judge?: "failing", cursors?: "hidden", muted?: string[] }} Restrictions
 */

/** @type {Restrictions} */
const NONE = {};
const CLASSIFIER_FAILING =
  "The AI is silent: " +
  "the model that decides when it replies does not answer.";
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Me}\p{Mn}\p{Z}\u115f\u1160\u2800]/gu;

const restrictionsStore = createStore(NONE);

/**
 * Normalize a name as the server does: its case folding turns “ß” into “ss”.
 * @param {string} name
 */
function normalizeName(name) {
  const folded = name.normalize("NFKC").toUpperCase().toLowerCase();
  return folded.replace(INVISIBLE, "");
}

/**
 * Tell whether somebody's cursor is hidden.
 * @param {string | null} name
 */
export function useIsHidden(name) {
  const { cursors, muted } = restrictionsStore.use();
  if (cursors === "hidden") return true;
  return muted?.includes(normalizeName(name ?? "")) ?? false;
}

/**
 * Show the restrictions, and apply them to the whole page.
 * @param {{ restrictions?: Restrictions }} props
 */
export function Notice({ restrictions = NONE }) {
  useLayoutEffect(() => restrictionsStore.set(restrictions), [restrictions]);
  const { ai, replies, judge, cursors } = restrictions;
  const sentences = [
    ai === "paused" && "The presenter has paused the AI.",
    ai === "presenter" && "The AI answers only the presenter for now.",
    replies && "The AI’s replies are recordings now.",
    judge && CLASSIFIER_FAILING,
    cursors && "The presenter has hidden all cursors.",
  ];
  return html`
    <p class="notice" role="status">${sentences.filter(Boolean).join(" ")}</p>
  `;
}
