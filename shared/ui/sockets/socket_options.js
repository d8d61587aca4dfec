// The options of every socket: where the parties are, and how to reconnect.
// After the server has closed a socket for sending too much or reading too
// slowly, the page waits: exponential backoff.
import { flush } from "../delivery/sender.js";
import { waitForServer } from "../pages/live_reload.js";
import { eachSocket, TrackedSocket } from "./tracked_socket.js";

/** @typedef {import("../delivery/sender.js").Socket} Socket */

/** The close code of a socket whose page was opened elsewhere. */
export const SUPERSEDED = 4001;

/** Milliseconds and attempts without a socket, until a page reports it. */
const BLOCKED_TIMEOUT = 4000;
const MIN_ATTEMPTS = 3;

/** Close codes 1008 (policy violation) and 1013 (try again later). */
const BACKOFF_CODES = [1008, 1013];

/** Milliseconds before a new attempt to connect. */
const MIN_BACKOFF = 1000;
const MAX_BACKOFF = 30_000;

/** Milliseconds on a connection, after which the backoff is reset. */
const STABLE_AFTER = 60_000;

/** The page's own host and scheme, unless PARTY_HOST names another. */
const parties = new URL(
  document.documentElement.dataset.parties ?? "/parties",
  location.href,
);

/**
 * Return the address of a socket's room over HTTP.
 * @param {Socket} socket
 */
export function roomUrl({ name, room = "" }) {
  const url = new URL(parties);
  url.protocol = parties.protocol.replace("ws", "http");
  return `${url}/${name}/${encodeURIComponent(room)}`;
}

/** Names this page in its attempts: a duplicated tab has the same `_pk`. */
const page = Math.random();
let attempts = 0;

/** The attempts since a socket was last open. @type {number[]} */
const attemptTimes = [];

/** Count an attempt: the server has just answered a request. */
function countAttempt() {
  const now = performance.now();
  attemptTimes.push(now);
  if (attemptTimes.length <= MIN_ATTEMPTS) return;
  if (now - attemptTimes[0] < BLOCKED_TIMEOUT) return;
  import("./blocked.js").then(({ showBlocked }) => showBlocked(), () => {});
}

let closeCount = 0;
let retryAt = 0;
let lastPath = "";

/** @param {number} code with which a socket was closed */
export function isBackoffCode(code) {
  return BACKOFF_CODES.includes(code);
}

/** Wait until this page may connect again. */
async function waitForBackoff() {
  const delay = retryAt - performance.now();
  if (delay > 0) await new Promise((go) => setTimeout(go, delay));
}

/** @param {string} path of the socket */
function backOff(path) {
  lastPath = path;
  if (performance.now() < retryAt) return;
  const delay = Math.min(MAX_BACKOFF, MIN_BACKOFF * 2 ** closeCount++);
  // Jitter: pages that were closed together do not reconnect together.
  retryAt = performance.now() + delay * (1 - Math.random() / 4);
}

/** @param {string} path of a socket that has been open for long */
function resetBackoff(path) {
  if (path === lastPath) closeCount = 0;
}

eachSocket((socket) => {
  const path = new URL(socket.url).pathname;
  let timer = 0;
  socket.addEventListener("open", () => {
    attemptTimes.length = 0;
    timer = setTimeout(resetBackoff, STABLE_AFTER, path);
  });
  socket.addEventListener("close", ({ code }) => {
    clearTimeout(timer);
    if (isBackoffCode(code)) backOff(path);
  });
});

/** Spread these into `usePartySocket({ … })`. */
export const socketOptions = {
  WebSocket: TrackedSocket,
  host: parties.host,
  prefix: parties.pathname.slice(1),
  // partysocket would guess it from the host's name.
  protocol: /** @type {"ws" | "wss"} */ (
    parties.protocol.replace("http", "ws").slice(0, -1)
  ),
  // Called before each attempt. A page of another stage is reloaded instead.
  query: async () => {
    await waitForBackoff();
    await waitForServer();
    countAttempt();
    // The server refuses an attempt that comes after a later one of this page.
    return { attempt: `${page}-${++attempts}` };
  },
  // A handshake takes two round trips, which are slow on a crowded network.
  connectionTimeout: 10_000,
  // Without a server, `waitForServer` waits. These delays, with jitter, are for
  // a server that accepts no more connections.
  minReconnectionDelay: 200 + 50 * Math.random(),
  maxReconnectionDelay: 10_000,
  reconnectionDelayGrowFactor: 1.5,
  /** @param {Event} event */
  onOpen: ({ target }) => flush(/** @type {Socket} */ (target)),
  /** @param {CloseEvent} event */
  shouldReconnectOnClose: ({ code }) => code !== SUPERSEDED,
};
