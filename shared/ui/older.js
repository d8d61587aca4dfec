// Asks for what was said before, as its reader comes to the beginning.
import { html } from "htm/preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { beginning } from "./places.js";
import { askOlder } from "./sender.js";

/** @typedef {import("./messages.js").Messages} Messages */

/** Pixels from the top: it may be there before its reader is. */
const NEAR_THE_TOP = 200;

/** Milliseconds for an answer: then it is asked for again. */
const PATIENCE = 5000;

/**
 * @param {Messages} messages
 * @param {import("preact").RefObject<any>} box in which they scroll
 */
export function useOlder(messages, box) {
  const first = beginning(messages);
  // A new connection, of which a history tells, does not answer for the last.
  const question = `${messages.heard} ${first}`;
  const [asked, setAsked] = useState("");
  const loading = first > 0 && asked === question;
  function look() {
    const near = box.current.scrollTop < NEAR_THE_TOP;
    if (near && first && !loading && askOlder(first)) setAsked(question);
  }
  useLayoutEffect(look);
  useEffect(() => {
    const timer = setTimeout(setAsked, PATIENCE, "");
    return () => clearTimeout(timer);
  }, [asked]);
  return { look, loading };
}

/** @param {{ loading: boolean }} props */
export function Loading({ loading }) {
  return html`
    <p class="loading" role="status">
      ${loading && "Loading earlier messages…"}
    </p>
  `;
}
