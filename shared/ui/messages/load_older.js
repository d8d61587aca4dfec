// Load older messages over HTTP when somebody scrolls to the first one.
import { html } from "htm/preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { dispatchLocal, openRoom } from "../delivery/sender.js";
import { roomUrl } from "../sockets/socket_options.js";
import { firstSeq } from "./history_range.js";

/** @typedef {import("./messages.js").Messages} Messages */

/** Pixels from the top at which they are requested. */
const DISTANCE = 200;

/** Milliseconds for a response, and between a failure and the next request. */
const RESPONSE_TIMEOUT = 5000;
const RETRY_DELAY = 3000;

const STATUS_TEXTS = {
  idle: "",
  loading: "Loading earlier messages…",
  failed: "Earlier messages could not be loaded. Trying again…",
};

/** @typedef {keyof typeof STATUS_TEXTS} Status */

/**
 * @param {Messages} messages
 * @param {import("preact").RefObject<any>} box in which they scroll
 * @param {() => boolean} showMore shows some that are here, if any are hidden
 */
export function useOlderMessages(messages, box, showMore) {
  const first = firstSeq(messages);
  // A new history begins anew: it may have another epoch.
  const request = `${messages.historyCount} ${first}`;
  const [sent, setSent] = useState("");
  const [failed, setFailed] = useState("");
  const isPending = first > 0 && sent === request;
  function loadAtTop() {
    const isNear = box.current.scrollTop < DISTANCE;
    if (!isNear || showMore() || !first || isPending || !openRoom()) return;
    setSent(request);
    fetchOlder(first).catch(() => setFailed(request));
  }
  useLayoutEffect(loadAtTop);
  useEffect(() => {
    if (!failed) return;
    const timer = setTimeout(() => {
      setFailed("");
      setSent("");
    }, RETRY_DELAY);
    return () => clearTimeout(timer);
  }, [failed]);
  /** @type {Status} */
  const status = failed === request ? "failed" : "loading";
  return { loadAtTop, status: isPending ? status : "idle" };
}

/** @param {number} seq of the first message that the page has */
async function fetchOlder(seq) {
  const room = openRoom();
  if (!room) return;
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), RESPONSE_TIMEOUT);
  try {
    const url = `${roomUrl(room.socket)}?before=${seq}`;
    const response = await fetch(url, { signal: controller.signal });
    if (!response.ok) throw new Error(response.statusText);
    dispatchLocal(room, { type: "older", ...(await response.json()) });
  } finally {
    clearTimeout(timer);
  }
}

/** @param {{ status: Status }} props */
export function LoadingStatus({ status }) {
  return html`
    <p class="loading" role="status">${STATUS_TEXTS[status]}</p>
  `;
}
