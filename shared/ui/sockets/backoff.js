// Exponential backoff after the server has closed a socket for sending too
// much or reading too slowly.
import { eachSocket } from "./tracked_socket.js";

/** Close codes 1008 (policy violation) and 1013 (try again later). */
const BACKOFF_CODES = [1008, 1013];

/** Milliseconds before a new attempt to connect. */
const MIN_DELAY = 1000;
const MAX_DELAY = 30_000;

/** Milliseconds on a connection, after which the backoff is reset. */
const STABLE_AFTER = 60_000;

let closeCount = 0;
let retryAt = 0;
let lastPath = "";

/** @param {number} code with which a socket was closed */
export function isBackoffCode(code) {
  return BACKOFF_CODES.includes(code);
}

/** Wait until this page may connect again. */
export async function waitForBackoff() {
  const delay = retryAt - performance.now();
  if (delay > 0) await new Promise((go) => setTimeout(go, delay));
}

/** @param {string} path of the socket */
function backOff(path) {
  lastPath = path;
  if (performance.now() < retryAt) return;
  const delay = Math.min(MAX_DELAY, MIN_DELAY * 2 ** closeCount++);
  // Jitter: pages that were closed together do not reconnect together.
  retryAt = performance.now() + delay * (1 - Math.random() / 4);
}

/** @param {string} path of a socket that has been open for long */
function reset(path) {
  if (path === lastPath) closeCount = 0;
}

eachSocket((socket) => {
  const path = new URL(socket.url).pathname;
  let timer = 0;
  socket.addEventListener("open", () => {
    timer = setTimeout(reset, STABLE_AFTER, path);
  });
  socket.addEventListener("close", ({ code }) => {
    clearTimeout(timer);
    if (isBackoffCode(code)) backOff(path);
  });
});
