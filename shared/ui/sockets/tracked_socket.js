// The sockets of this page: each is known here, closed when its server does not
// answer, and opened again the later the more often the server closed it.

/** @typedef {(socket: WebSocket) => void} Hear */

/** Milliseconds without a frame, after which a page sends a ping. */
const SILENCE_TIMEOUT = 15_000;

/** Milliseconds for an answer: any frame is one. */
const ANSWER_TIMEOUT = 5000;

/** Events after which a connection may be dead: a ping goes at once. */
const WAKE_EVENTS = ["online", "focus", "pageshow", "visibilitychange"];

/** Close codes for sending too much and for reading too slowly. */
const SENT_AWAY = [1008, 1013];

/** Milliseconds that it stays away. */
const SHORTEST = 1000;
const LONGEST = 30_000;

/** Milliseconds on a connection, after which all is forgiven. */
const STEADY = 60_000;

let times = 0;
let until = 0;
/** Which socket it was, the last time. */
let who = "";

/** @type {Set<WebSocket>} */
const sockets = new Set();

/** @type {Set<Hear>} */
const ears = new Set();

/** A socket as any other, which is known here while it lives. */
export class KnownSocket extends WebSocket {
  /** @param {string} url @param {string | string[]} [protocols] */
  constructor(url, protocols) {
    super(url, protocols);
    keepAlive(this);
    forgetTheClosed();
    sockets.add(this);
    for (const hear of ears) hear(this);
  }
}

function forgetTheClosed() {
  for (const socket of sockets) {
    if (socket.readyState === WebSocket.CLOSED) sockets.delete(socket);
  }
}

/**
 * Hear of each socket that there is, and of each that comes, until stopped.
 * @param {Hear} hear
 */
export function eachSocket(hear) {
  for (const socket of sockets) {
    if (socket.readyState !== WebSocket.CLOSED) hear(socket);
  }
  ears.add(hear);
  return () => void ears.delete(hear);
}

/** Whether this page has ever had one. */
export function anySockets() {
  return sockets.size > 0;
}

/**
 * Close a new socket as soon as its server no longer answers.
 *
 * Listeners that are added later see no heartbeat. Of a dead connection they
 * see the end at once, for which the browser would wait, and nothing after it.
 * @param {WebSocket} socket
 */
function keepAlive(socket) {
  let lastFrame = 0;
  let pongs = 0;
  let timer = 0;
  let isAsking = false;
  let isDead = false;
  const ended = new AbortController();

  function wait() {
    isAsking = false;
    clearTimeout(timer);
    const left = lastFrame + SILENCE_TIMEOUT - performance.now();
    timer = setTimeout(left > 0 ? wait : ping, Math.max(left, 0));
  }

  function ping() {
    if (isAsking || socket.readyState !== WebSocket.OPEN) return;
    isAsking = true;
    pongs++;
    // Past `socket.send`, which the wire panel watches.
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
  function listen(event) {
    const isPong = event.data === "pong" && pongs > 0;
    if (isPong) pongs--;
    if (isPong || isDead) event.stopImmediatePropagation();
    lastFrame = performance.now();
    if (event.type === "close") {
      clearTimeout(timer);
      ended.abort();
    } else if (isAsking || !timer) wait();
  }

  for (const type of ["open", "message", "close"]) {
    socket.addEventListener(type, listen, { capture: true });
  }
  const { signal } = ended;
  for (const type of WAKE_EVENTS) {
    addEventListener(type, () => document.hidden || ping(), { signal });
  }
}

/** @param {number} code with which a socket was closed */
export function isSentAway(code) {
  return SENT_AWAY.includes(code);
}

/** Wait until this page may come back. */
export async function rested() {
  const left = until - performance.now();
  if (left > 0) await new Promise((go) => setTimeout(go, left));
}

/** @param {string} path */
function restLonger(path) {
  who = path;
  if (performance.now() < until) return;
  const longest = Math.min(LONGEST, SHORTEST * 2 ** times++);
  // A hall that was sent away together is not to come back in step.
  until = performance.now() + longest * (1 - Math.random() / 4);
}

/** @param {string} path */
function forgive(path) {
  if (path === who) times = 0;
}

eachSocket((socket) => {
  const path = new URL(socket.url).pathname;
  let timer = 0;
  socket.addEventListener("open", () => {
    timer = setTimeout(forgive, STEADY, path);
  });
  socket.addEventListener("close", ({ code }) => {
    clearTimeout(timer);
    if (isSentAway(code)) restLonger(path);
  });
});
