// The status of the connection between this page and its room.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { isBackoffCode, SUPERSEDED } from "../sockets/socket_options.js";

/**
 * @typedef {"idle" | "connecting" | "connected" | "reconnecting" | "backoff" |
 *   "reconnected" | "superseded"} State
 */
/** @typedef {(next: State | ((was: State) => State)) => void} SetState */

/** Milliseconds: a shorter interruption is not shown. */
const SHOW_AFTER = 300;

const LABELS = {
  idle: "",
  connecting: "Connecting…",
  connected: "Connected",
  reconnecting: "Reconnecting…",
  backoff: "Back shortly…",
  reconnected: "Connected again",
  superseded: "This page was opened elsewhere",
};

/** @param {State} was @returns {State} */
const afterOpen = (was) =>
  ["reconnecting", "backoff", "reconnected"].includes(was)
    ? "reconnected"
    : "connected";

/** @param {State} was @returns {State} */
const afterDelay = (was) =>
  was === "idle" || was === "connecting" ? "connecting" : "reconnecting";

/**
 * Follow a socket's state; return a function to stop.
 * @param {WebSocket} socket
 * @param {SetState} setState
 */
function follow(socket, setState) {
  let timer = 0;
  /** @type {SetState} */
  function show(next) {
    clearTimeout(timer);
    timer = 0;
    setState(next);
  }
  const onOpen = () => show(afterOpen);
  function wait() {
    timer ||= setTimeout(show, SHOW_AFTER, afterDelay);
  }
  /** @param {CloseEvent} event */
  function onClose({ code }) {
    if (code === SUPERSEDED) show("superseded");
    else if (isBackoffCode(code)) show("backoff");
    else wait();
  }
  if (socket.readyState === WebSocket.OPEN) onOpen();
  else wait();
  const controller = new AbortController();
  socket.addEventListener("open", onOpen, controller);
  socket.addEventListener("close", onClose, controller);
  return () => {
    clearTimeout(timer);
    controller.abort();
  };
}

/** @param {{ socket: WebSocket }} props */
export function ConnectionStatus({ socket }) {
  const [state, setState] = useState(/** @type {State} */ ("idle"));
  useEffect(() => follow(socket, setState), [socket]);
  return html`
    <p class="connection" data-state=${state} role="status">${LABELS[state]}</p>
  `;
}
