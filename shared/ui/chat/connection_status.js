// A live sign of the connection between this page and its room.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { isSentAway } from "../sockets/tracked_socket.js";

/**
 * @typedef {"quiet" | "late" | "on" | "lost" | "away" | "again" |
 *   "elsewhere"} State
 */
/** @typedef {(next: State | ((was: State) => State)) => void} Tell */

const NOTICEABLE = 300;
const SUPERSEDED = 4001;

const WORDS = {
  quiet: "",
  late: "Connecting…",
  on: "Connected",
  lost: "Reconnecting…",
  away: "Back shortly…",
  again: "Connected again",
  elsewhere: "This page was opened elsewhere",
};

/** @param {State} was @returns {State} */
const opened = (was) =>
  ["lost", "away", "again"].includes(was) ? "again" : "on";

/** @param {State} was @returns {State} */
const waited = (was) => (was === "quiet" || was === "late" ? "late" : "lost");

/**
 * What to do when a socket opens and closes: a short gap is not told.
 * @param {Tell} tell
 */
function teller(tell) {
  let timer = 0;
  function stop() {
    clearTimeout(timer);
    timer = 0;
  }
  function open() {
    stop();
    tell(opened);
  }
  function wait() {
    timer ||= setTimeout(tell, NOTICEABLE, waited);
  }
  return { stop, open, wait };
}

/**
 * @param {WebSocket} socket
 * @param {Tell} tell
 */
function watch(socket, tell) {
  const { stop, open, wait } = teller(tell);
  /** @param {CloseEvent} event */
  function close({ code }) {
    const ends = code === SUPERSEDED;
    if (!ends && !isSentAway(code)) return wait();
    stop();
    tell(ends ? "elsewhere" : "away");
  }
  if (socket.readyState === WebSocket.OPEN) open();
  else wait();
  socket.addEventListener("open", open);
  socket.addEventListener("close", close);
  return () => {
    stop();
    socket.removeEventListener("open", open);
    socket.removeEventListener("close", close);
  };
}

/** @param {{ socket: WebSocket }} props */
export function Connection({ socket }) {
  const [state, setState] = useState(/** @type {State} */ ("quiet"));
  useEffect(() => watch(socket, setState), [socket]);
  return html`
    <p class="connection" data-state=${state} role="status">${WORDS[state]}</p>
  `;
}
