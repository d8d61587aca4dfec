// The presenter's hand: their key, what they do, and how things are.
import { useEffect, useRef, useState } from "preact/hooks";
import { root } from "../pages/mount.js";

/**
 * @typedef {object} Room
 * @property {string} party
 * @property {string} room
 * @property {string} title
 * @property {number} people
 * @property {number} messages
 */
/**
 * @typedef {object} State
 * @property {string[]} ai what the terminal says about it
 * @property {boolean} paused
 * @property {boolean} cursors_hidden
 * @property {string[]} muted
 * @property {string[]} names of those who spoke lately
 * @property {boolean} shared whether there are any rooms
 * @property {Room[]} rooms
 */
/** @typedef {(action: object, done: string) => Promise<void>} Act */
/** @typedef {{ state: State, act: Act }} PartProps */

const KEY = "party-chat-presenter";
const OFTEN = 2000;
const NO_KEY =
  "This page is for the presenter. Open the link that the terminal printed.";
const FORBIDDEN =
  "This link is not the presenter’s, or no longer. Open the one that the " +
  "terminal printed last.";
const SILENCE = "The server does not answer. Trying again…";

let key = "";

/** The key goes out of sight: others see the address bar, too. */
function takeKey() {
  const hash = location.hash.slice(1);
  const found = document.getElementById(hash) ? "" : hash;
  try {
    if (found) sessionStorage.setItem(KEY, found);
    key = found || (sessionStorage.getItem(KEY) ?? "");
  } catch {
    key = found || key;
  }
  if (found) history.replaceState(null, "", location.pathname);
}

/**
 * @param {object} [action] none: only ask how things are
 * @returns {Promise<State>}
 */
async function ask(action) {
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
 * How things are, what is to be said about it, and what may be done.
 * Of two answers that cross, the one that was asked for last counts.
 */
export function useHand() {
  const [state, setState] = useState(/** @type {State | null} */ (null));
  const [words, setWords] = useState("");
  const turn = useRef(0);
  /** @param {object} [action] @param {string} [done] */
  async function act(action, done) {
    const mine = ++turn.current;
    const last = () => mine === turn.current;
    try {
      const next = await ask(action);
      if (last()) setState(next);
      setWords((was) => done ?? (was === SILENCE ? "" : was));
    } catch (error) {
      if (!key) setState(null);
      setWords(error instanceof Refusal ? error.message : SILENCE);
    }
  }
  useEffect(() => lookOften(act, setWords), []);
  return { state, words, act };
}

/**
 * @param {() => void} look
 * @param {(words: string) => void} say
 */
function lookOften(look, say) {
  const again = () => key && !document.hidden && look();
  function begin() {
    takeKey();
    if (key) look();
    else say(NO_KEY);
  }
  const timer = setInterval(again, OFTEN);
  addEventListener("hashchange", begin);
  document.addEventListener("visibilitychange", again);
  begin();
  return () => {
    clearInterval(timer);
    removeEventListener("hashchange", begin);
    document.removeEventListener("visibilitychange", again);
  };
}
