// Stays away longer each time that the server has sent this page away.
import { eachSocket } from "./sockets.js";

/** Who sent too much, and who read too slowly. */
const SENT_AWAY = [1008, 1013];

const SHORTEST = 1000;
const LONGEST = 30_000;

/** Milliseconds on a connection, after which all is forgiven. */
const STEADY = 60_000;

let times = 0;
let until = 0;
/** Which socket it was, the last time. */
let who = "";

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
