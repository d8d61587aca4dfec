// Detects dead connections: after silence, a page asks whether it is heard.

/** Milliseconds without a frame, after which a page sends a ping. */
const SILENCE_TIMEOUT = 15_000;

/** Milliseconds for an answer: any frame is one. */
const ANSWER_TIMEOUT = 5000;

/** Events after which a connection may be dead: a ping goes at once. */
const WAKE_EVENTS = ["online", "focus", "pageshow", "visibilitychange"];

/**
 * Close a new socket as soon as its server no longer answers.
 *
 * Listeners that are added later see no heartbeat. Of a dead connection they
 * see the end at once, for which the browser would wait, and nothing after it.
 * @param {WebSocket} socket
 */
export function keepAlive(socket) {
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
