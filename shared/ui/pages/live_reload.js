// Reload the page when the server runs another stage, or another build of it.
import { eachSocket, hasSockets } from "../sockets/tracked_socket.js";
import { load, save } from "../user/tab_storage.js";

const STORAGE_KEY = "party-chat-builds";
const MAX_STORED = 100;

/** Milliseconds between two checks; a failing server is asked less often. */
const CHECK_INTERVAL = 1200;
const MIN_RETRY_DELAY = 500;
const MAX_RETRY_DELAY = 5000;
const MAX_TIMEOUT = 8000;

/** Milliseconds in which a page's own load counts as a check. */
const FRESH_FOR = 1000;

const { build: ownBuild, root = "" } = document.documentElement.dataset;
const notice = document.createElement("p");
notice.className = "warning";
notice.role = "alert";
let isReloading = false;
let retryDelay = MIN_RETRY_DELAY;
/** @type {Promise<void> | undefined} */
let waiting;

/** Milliseconds to wait for an answer; it grows on a slow network. */
let timeout = 2000;
const loadedAt = performance.now();

/** Return the build that runs and its time, "" while no server answers. */
async function fetchBuild() {
  const signal = AbortSignal.timeout(timeout);
  try {
    const answer = await fetch(`${root}/build`, { cache: "no-store", signal });
    const text = await answer.text();
    if (answer.ok) {
      retryDelay = MIN_RETRY_DELAY;
      notice.remove();
      return text;
    }
    // A proxy may answer for the server for long, and to all pages.
    retryDelay = Math.min(retryDelay * 1.5, MAX_RETRY_DELAY);
    // 431: the server refuses all requests with so many cookies.
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
 * Tell whether this page has not been reloaded for a build before. Behind a
 * load balancer, a reload may come from a server with another build again.
 * @param {string} build
 */
function isNew(build) {
  const step = `${location.pathname} ${ownBuild} ${build}`;
  const known = load(STORAGE_KEY).split("\n");
  if (known.includes(step)) return false;
  // Without storage, a page would reload again and again.
  return save(STORAGE_KEY, [...known, step].slice(-MAX_STORED).join("\n"));
}

/** Reload the page if another build runs; else tell if any server answers. */
async function check() {
  const build = await fetchBuild();
  if (build && build.split(" ")[0] !== ownBuild && isNew(build)) {
    isReloading = true;
    location.reload();
  }
  return isReloading ? new Promise(() => {}) : build !== "";
}

/** Wait until a server runs the build of this page. All sockets wait once. */
export async function waitForServer() {
  if (!hasSockets() && performance.now() - loadedAt < FRESH_FOR) return;
  waiting ??= checkUntilAnswered();
  await waiting;
}

async function checkUntilAnswered() {
  while (!(await check())) {
    // Jitter: pages do not ask in step.
    const delay = retryDelay * (0.75 + Math.random() / 2);
    await new Promise((go) => setTimeout(go, delay));
  }
  waiting = undefined;
}

function checkIfVisible() {
  if (document.visibilityState === "visible") check();
}

/** Poll, on a page without sockets: a restart closes those of the others. */
function poll() {
  if (!hasSockets()) checkIfVisible();
  setTimeout(poll, CHECK_INTERVAL + retryDelay - MIN_RETRY_DELAY);
}

setTimeout(poll, CHECK_INTERVAL);
eachSocket((socket) => socket.addEventListener("open", check));
document.addEventListener("visibilitychange", checkIfVisible);
addEventListener("pageshow", ({ persisted }) => persisted && check());
