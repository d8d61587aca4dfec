// Notices that another stage, or another build of it, runs: reloads the page.
import { anySockets, eachSocket } from "../sockets/tracked_socket.js";

const KEY = "party-chat-builds";
const OFTEN = 1200;
const MAX_TIMEOUT = 8000;
const PAUSE = 500;
const MAX_PAUSE = 5000;
const FRESH = 1000;
const MOST = 100;

const { build: mine, root = "" } = document.documentElement.dataset;
const notice = document.createElement("p");
notice.className = "noscript";
notice.role = "alert";
let leaving = false;
let pause = PAUSE;
/** @type {Promise<void> | undefined} */
let settling;

/** Milliseconds to wait for an answer; it grows on a slow line. */
let timeout = 2000;
const loaded = performance.now();

/** Which build runs, and since when: empty while no server says it. */
async function running() {
  const signal = AbortSignal.timeout(timeout);
  try {
    const answer = await fetch(`${root}/build`, { cache: "no-store", signal });
    const text = await answer.text();
    if (answer.ok) {
      pause = PAUSE;
      notice.remove();
      return text;
    }
    // A proxy may answer for the server for long, and to all pages.
    pause = Math.min(pause * 1.5, MAX_PAUSE);
    // It refuses all that comes with so many cookies, and says so.
    if (answer.status === 431 && !notice.isConnected) {
      notice.textContent = text;
      document.getElementById("main")?.append(notice);
    }
  } catch {
    if (signal.aborted) timeout = Math.min(2 * timeout, MAX_TIMEOUT);
  }
  return "";
}

/**
 * Whether this page has not been reloaded for that before: where several
 * servers take turns, it may get another build than was told to it.
 * @param {string} build
 */
function isNew(build) {
  const step = `${location.pathname} ${mine} ${build}`;
  try {
    const known = (sessionStorage.getItem(KEY) ?? "").split("\n");
    if (known.includes(step)) return false;
    sessionStorage.setItem(KEY, [...known, step].slice(-MOST).join("\n"));
    return true;
  } catch {
    // Who cannot remember it must not do it again and again.
    return false;
  }
}

/** Reload the page if another build runs; else, whether any server answers. */
async function check() {
  const build = await running();
  if (build && build.split(" ")[0] !== mine && isNew(build)) {
    leaving = true;
    location.reload();
  }
  return leaving ? new Promise(() => {}) : build !== "";
}

/** Wait until there is a server, and it runs the build that this page is of. */
export async function settled() {
  // A page that has just come from there need not ask before its first socket.
  if (!anySockets() && performance.now() - loaded < FRESH) return;
  settling ??= settle();
  await settling;
}

/** All sockets wait for the same, and not in step with other pages. */
async function settle() {
  while (!(await check())) {
    const wait = pause * (0.75 + Math.random() / 2);
    await new Promise((go) => setTimeout(go, wait));
  }
  settling = undefined;
}

function checkIfSeen() {
  if (document.visibilityState === "visible") check();
}

/** A page with sockets hears from them that there is something to ask. */
function watch() {
  if (!anySockets()) checkIfSeen();
  setTimeout(watch, OFTEN + pause - PAUSE);
}

setTimeout(watch, OFTEN);
eachSocket((socket) => socket.addEventListener("open", check));
document.addEventListener("visibilitychange", checkIfSeen);
addEventListener("pageshow", ({ persisted }) => persisted && check());
