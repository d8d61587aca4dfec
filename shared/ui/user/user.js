// Who sits at this tab: a name, kept over a refresh of the page.
import { useLayoutEffect, useState } from "preact/hooks";

const KEY = "party-chat-name";
const MAX_NAME = 40;
const ANSWER_TIMEOUT = 2000;
const { root = "" } = document.documentElement.dataset;

/** @type {Set<(name: string | null) => void>} */
const listeners = new Set();
let current = read();

function read() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** @param {string | null} name */
function keep(name) {
  try {
    if (name) sessionStorage.setItem(KEY, name);
    else sessionStorage.removeItem(KEY);
  } catch {
    // Storage is blocked: the name lasts as long as the page.
  }
}

/** @param {string | null} name */
function become(name) {
  current = name;
  keep(name);
  for (const listener of listeners) listener(name);
}

/** @param {(name: string | null) => void} listener */
function subscribe(listener) {
  listeners.add(listener);
  listener(current);
  return () => void listeners.delete(listener);
}

/**
 * Ask the server what is wrong with a name: "" if nothing is, or if there is
 * no server, as then the room will say it.
 * @param {string} name
 */
export async function nameProblem(name) {
  if (!name) return "Please type a name.";
  if ([...name].length > MAX_NAME) return `${MAX_NAME} characters at most.`;
  try {
    const query = new URLSearchParams({ name });
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT);
    const answer = await fetch(`${root}/name?${query}`, { signal });
    return answer.ok ? await answer.text() : "";
  } catch {
    return "";
  }
}

function signOut() {
  become(null);
}

/** The tab's user: the name is null while nobody is signed in. */
export function useUser() {
  const [name, setName] = useState(current);
  useLayoutEffect(() => subscribe(setName), []);
  return { name, signIn: become, signOut };
}
