// What somebody writes in a room: it outlives a reload of the page.
import { useState } from "preact/hooks";

const KEY = `party-chat-draft:${location.pathname}`;
const LONGEST = 4000;

function read() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} text */
function keep(text) {
  try {
    if (text) sessionStorage.setItem(KEY, text);
    else sessionStorage.removeItem(KEY);
  } catch {
    // Without storage, it lasts as long as the page.
  }
}

/** What is being written, and how much room it has left. */
export function useDraft() {
  const [text, show] = useState(read);
  /** @param {string} text */
  function setText(text) {
    show(text);
    keep(text);
  }
  const body = text.trim();
  const left = LONGEST - [...body].length;
  return { text, setText, body, left, ready: body !== "" && left >= 0 };
}
