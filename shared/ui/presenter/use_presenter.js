// The presenter's key, the state of the server, and the actions on it.
import { useEffect, useRef, useState } from "preact/hooks";
import { root } from "../pages/mount.js";
import { load, save } from "../user/tab_storage.js";

/**
 * @typedef {object} Room
 * @property {string} party
 * @property {string} room
 * @property {string} title
 * @property {number} people
 * @property {number} messages
 * @property {boolean} has_reply whether the AI has replied in it
 */
/**
 * @typedef {object} FaultReport
 * @property {number} acknowledged messages before the last fault
 * @property {number | null} lost of them; null until the fault is over
 */
/**
 * @typedef {object} FaultState
 * @property {boolean} can_restart
 * @property {boolean} keeps_messages whether they outlive a restart
 * @property {FaultReport | null} report
 */
/**
 * @typedef {object} State
 * @property {string[]} ai lines about the model, as in the terminal
 * @property {"everybody" | "presenter" | "nobody"} answers
 * @property {boolean} recordings_only whether they answer, not the model
 * @property {boolean} has_model whether there is one to switch from
 * @property {boolean} cursors_hidden
 * @property {string[]} muted
 * @property {string[]} names of those who spoke lately
 * @property {boolean} shared whether there are any rooms
 * @property {Room[]} rooms
 * @property {FaultState} faults
 */
/** @typedef {(action: object, done: string) => Promise<void>} Act */
/** @typedef {{ state: State, act: Act }} SectionProps */

const STORAGE_KEY = "party-chat-presenter";
const POLL_INTERVAL = 2000;
const NO_KEY =
  "This page is for the presenter. Open the link that the terminal printed.";
const FORBIDDEN =
  "This link is not the presenter’s, or no longer. Open the one that the " +
  "terminal printed last.";
const NO_ANSWER = "The server does not answer. Trying again…";

let key = "";

/** Read the key from the address, and hide it: others see the address bar. */
function takeKey() {
  const hash = location.hash.slice(1);
  const found = document.getElementById(hash) ? "" : hash;
  if (found) save(STORAGE_KEY, found);
  key = found || load(STORAGE_KEY) || key;
  if (found) history.replaceState(null, "", location.pathname);
}

/**
 * Send an action; return the state after it.
 * @param {object} [action] none: only return the state
 * @returns {Promise<State>}
 */
async function request(action) {
  const path = action ? "/presenter" : "/presenter/state";
  const response = await fetch(root + path, {
    method: action ? "POST" : "GET",
    headers: { Authorization: `Bearer ${key}` },
    body: action && JSON.stringify(action),
  });
  if (response.status === 403) key = "";
  const { error, ...state } = await response.json();
  if (error) throw new Refusal(response.status === 403 ? FORBIDDEN : error);
  return state;
}

class Refusal extends Error {}

/**
 * Return the state, the result of the last action, and a function to act.
 * If two answers cross, that of the later request counts.
 */
export function usePresenter() {
  const [state, setState] = useState(/** @type {State | null} */ (null));
  const [result, setResult] = useState("");
  const lastRequest = useRef(0);
  /** @param {object} [action] @param {string} [done] */
  async function act(action, done) {
    const id = ++lastRequest.current;
    try {
      const next = await request(action);
      if (id === lastRequest.current) setState(next);
      setResult((was) => done ?? (was === NO_ANSWER ? "" : was));
    } catch (error) {
      if (!key) setState(null);
      setResult(error instanceof Refusal ? error.message : NO_ANSWER);
    }
  }
  useEffect(() => poll(act, setResult), []);
  return { state, result, act };
}

/**
 * Refresh the state regularly; return a function to stop.
 * @param {() => void} refresh
 * @param {(result: string) => void} setResult
 */
function poll(refresh, setResult) {
  const refreshIfVisible = () => key && !document.hidden && refresh();
  function start() {
    takeKey();
    if (key) refresh();
    else setResult(NO_KEY);
  }
  const timer = setInterval(refreshIfVisible, POLL_INTERVAL);
  addEventListener("hashchange", start);
  document.addEventListener("visibilitychange", refreshIfVisible);
  start();
  return () => {
    clearInterval(timer);
    removeEventListener("hashchange", start);
    document.removeEventListener("visibilitychange", refreshIfVisible);
  };
}
