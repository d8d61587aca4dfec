// Who sits at this tab: a name, kept over a refresh of the page.
import { useLayoutEffect, useState } from "preact/hooks";

const KEY = "party-chat-name";
const LONGEST = 40;
const RESERVED = ["ai", "assistant", "system"];

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

/** @param {string} name */
function complaint(name) {
  if (!name) return "Please type a name.";
  if ([...name].length > LONGEST) return `${LONGEST} characters at most.`;
  const letters = name.normalize("NFKC").replace(/[^\p{L}\p{N}]/gu, "");
  const plain = letters.toLowerCase();
  return RESERVED.includes(plain) ? `“${name}” is taken. Try another?` : "";
}

/**
 * Sign in, and say what is wrong with the name: "" if nothing is.
 * @param {string} typed
 */
function signIn(typed) {
  const name = typed.trim();
  const problem = complaint(name);
  if (!problem) become(name);
  return problem;
}

function signOut() {
  become(null);
}

/** The tab's user: the name is null while nobody is signed in. */
export function useUser() {
  const [name, setName] = useState(current);
  useLayoutEffect(() => subscribe(setName), []);
  return { name, signIn, signOut };
}
