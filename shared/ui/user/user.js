// The signed-in user of this tab: a name, which is kept over a reload.
import { createStore } from "../store.js";
import { load, save } from "./tab_storage.js";

const STORAGE_KEY = "party-chat-name";
const MAX_LENGTH = 40;
const ANSWER_TIMEOUT = 2000;
const { root = "" } = document.documentElement.dataset;

const nameStore = createStore(load(STORAGE_KEY) || null);

/** @param {string | null} name */
function signIn(name) {
  save(STORAGE_KEY, name);
  nameStore.set(name);
}

function signOut() {
  signIn(null);
}

/**
 * Return the problem with a name, "" for none. Without an answer from the
 * server there is none either: the room checks the name of each message.
 * @param {string} name
 */
export async function nameProblem(name) {
  if (!name) return "Please type a name.";
  if ([...name].length > MAX_LENGTH) return `${MAX_LENGTH} characters at most.`;
  try {
    const query = new URLSearchParams({ name });
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT);
    const answer = await fetch(`${root}/name?${query}`, { signal });
    return answer.ok ? await answer.text() : "";
  } catch {
    return "";
  }
}

/** Return the tab's user; the name is null while nobody is signed in. */
export function useUser() {
  return { name: nameStore.use(), signIn, signOut };
}

/**
 * Return a hue for a name: the same name has the same one on every page.
 * @param {string} name
 */
export function hue(name) {
  let hash = 0;
  for (const letter of name) {
    hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 3600;
  }
  return (hash * 137) % 360;
}
