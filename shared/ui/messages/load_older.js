// Load older messages over HTTP when somebody scrolls to the first one.
import { useLayoutEffect, useState } from "preact/hooks";
import { dispatchLocal, openRoom } from "../delivery/sender.js";
import { roomUrl } from "../sockets/socket_options.js";
import { firstSeq } from "./merge.js";

/** @typedef {import("../delivery/pending_messages.js").PendingMessages} Room */
/** @typedef {import("./messages.js").Messages} Messages */

/** Pixels from the top at which they are requested. */
const DISTANCE = 200;

/** Milliseconds for a response, and between a failure and the next request. */
const RESPONSE_TIMEOUT = 5000;
const RETRY_DELAY = 3000;

const LOADING = "Loading earlier messages…";
const FAILED = "Earlier messages could not be loaded. Trying again…";

const NONE = { id: "", status: "" };

/**
 * @param {Messages} messages
 * @param {import("preact").RefObject<any>} box in which they scroll
 * @param {() => boolean} showMore shows some that are here, if any are hidden
 */
export function useOlderMessages(messages, box, showMore) {
  const first = firstSeq(messages);
  // After a new history, a new request: it may be of another epoch.
  const id = `${messages.historyCount} ${first}`;
  const [request, setRequest] = useState(NONE);
  const status = first && request.id === id ? request.status : "";
  /** @param {typeof NONE} next */
  const replace = (next) => setRequest((was) => (was.id === id ? next : was));
  function loadAtTop() {
    const isNear = box.current.scrollTop < DISTANCE;
    if (!isNear || showMore() || !first || status) return;
    const room = openRoom();
    if (!room) return;
    setRequest({ id, status: LOADING });
    fetchOlder(room, first).catch(() => {
      replace({ id, status: FAILED });
      setTimeout(replace, RETRY_DELAY, NONE);
    });
  }
  useLayoutEffect(loadAtTop);
  return { loadAtTop, status };
}

/** @param {Room} room @param {number} seq of the first message */
async function fetchOlder(room, seq) {
  const url = `${roomUrl(room.socket)}?before=${seq}`;
  const signal = AbortSignal.timeout(RESPONSE_TIMEOUT);
  const response = await fetch(url, { signal });
  if (!response.ok) throw Error(response.statusText);
  dispatchLocal(room, { type: "older", ...(await response.json()) });
}
