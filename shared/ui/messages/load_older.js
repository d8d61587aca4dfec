// Load older messages when somebody scrolls to the first one.
import { html } from "htm/preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { requestOlder } from "../delivery/sender.js";
import { firstSeq } from "./history_range.js";

/** @typedef {import("./messages.js").Messages} Messages */

/** Pixels from the top at which they are requested. */
const DISTANCE = 200;

/** Milliseconds without an answer, after which they may be requested again. */
const ANSWER_TIMEOUT = 5000;

/**
 * @param {Messages} messages
 * @param {import("preact").RefObject<any>} box in which they scroll
 * @param {() => boolean} showMore shows some that are here, if any are hidden
 */
export function useOlderMessages(messages, box, showMore) {
  const first = firstSeq(messages);
  // A request of an earlier connection is not answered on a new one.
  const request = `${messages.historyCount} ${first}`;
  const [sent, setSent] = useState("");
  const isLoading = first > 0 && sent === request;
  function loadAtTop() {
    const isNear = box.current.scrollTop < DISTANCE;
    if (!isNear || showMore()) return;
    if (first && !isLoading && requestOlder(first)) setSent(request);
  }
  useLayoutEffect(loadAtTop);
  useEffect(() => {
    const timer = setTimeout(setSent, ANSWER_TIMEOUT, "");
    return () => clearTimeout(timer);
  }, [sent]);
  return { loadAtTop, isLoading };
}

/** @param {{ isLoading: boolean }} props */
export function LoadingStatus({ isLoading }) {
  return html`
    <p class="loading" role="status">
      ${isLoading && "Loading earlier messages…"}
    </p>
  `;
}
