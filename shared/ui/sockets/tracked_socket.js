// The sockets of this page: each is tracked, and closed when its server no
// longer answers.

/** @typedef {(socket: WebSocket) => void} Listener */

/** Milliseconds without a frame, after which a page sends a ping. */
const SILENCE_TIMEOUT = 15_000;

/** Milliseconds for an answer: any frame is one. */
const ANSWER_TIMEOUT = 5000;

/** Events after which a connection may be dead: a ping is sent at once. */
const WAKE_EVENTS = ["online", "focus", "pageshow", "visibilitychange"];

/** @type {Set<WebSocket>} those that are not closed */
const sockets = new Set();
let hadSocket = false;

/** @type {Set<Listener>} */
const listeners = new Set();

/** A WebSocket that is listed here until it is closed. */
export class TrackedSocket extends WebSocket {
  /** @param {string} url @param {string | string[]} [protocols] */
  constructor(url, protocols) {
    super(url, protocols);
    keepAlive(this);
    hadSocket = true;
    sockets.add(this);
    this.addEventListener("close", () => sockets.delete(this));
    for (const listener of listeners) listener(this);
  }
}

/**
 * Call a listener with each socket, now and later; return a function to stop.
 * @param {Listener} listener
 */
export function eachSocket(listener) {
  for (const socket of sockets) listener(socket);
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Tell whether this page has ever had a socket. */
export function hasSockets() {
  return hadSocket;
}

/**
 * Close a new socket as soon as its server no longer answers.
 *
 * Listeners that are added later do not see pings and pongs. Of a dead
 * connection they see the end at once (the browser would wait for an answer),
 * and nothing after it.
 * @param {WebSocket} socket
 */
function keepAlive(socket) {
  let lastFrameAt = 0;
  let pongsDue = 0;
  let timer = 0;
  let isWaiting = false;
  let isDead = false;
  const closed = new AbortController();

  function schedulePing() {
    isWaiting = false;
    clearTimeout(timer);
    const delay = lastFrameAt + SILENCE_TIMEOUT - performance.now();
    timer = setTimeout(delay > 0 ? schedulePing : ping, Math.max(delay, 0));
  }

  function ping() {
    if (isWaiting || socket.readyState !== WebSocket.OPEN) return;
    isWaiting = true;
    pongsDue++;
    // Not `socket.send`, which the inspector intercepts.
    WebSocket.prototype.send.call(socket, "ping");
    clearTimeout(timer);
    timer = setTimeout(fail, ANSWER_TIMEOUT);
  }

  function fail() {
    socket.close();
    const reason = "The server did not answer.";
    socket.dispatchEvent(new CloseEvent("close", { code: 1006, reason }));
    isDead = true;
  }

  /** @param {any} event */
  function onEvent(event) {
    const isPong = event.data === "pong" && pongsDue > 0;
    if (isPong) pongsDue--;
    if (isPong || isDead) event.stopImmediatePropagation();
    lastFrameAt = performance.now();
    if (event.type === "close") {
      clearTimeout(timer);
      closed.abort();
    } else if (isWaiting || !timer) schedulePing();
  }

  for (const type of ["open", "message", "close"]) {
    socket.addEventListener(type, onEvent, { capture: true });
  }
  const { signal } = closed;
  for (const type of WAKE_EVENTS) {
    addEventListener(type, () => document.hidden || ping(), { signal });
  }
}
