// Where a message is written.
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { newMessage } from "../delivery/sender.js";
import { openSignIn } from "../user/account.js";
import { useUser } from "../user/user.js";

/** @typedef {import("../messages/messages.js").Message} Message */

/** Where a tab keeps what is being written: it outlives a reload. */
const KEY = `party-chat-draft:${location.pathname}`;

/** Characters of a message; more of a draft is not shown by its box. */
const MAX_LENGTH = 4000;
const NEAR_THE_LIMIT = 200;

/** Text whose first letter is of a script that runs from right to left. */
const RIGHT_TO_LEFT = /^\P{L}*[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/u;

/** @param {KeyboardEvent} event */
function sends(event) {
  // Safari reports the Enter that ends a composition as key code 229.
  const composing = event.isComposing || event.keyCode === 229;
  return event.key === "Enter" && !event.shiftKey && !composing;
}

/** @typedef {ReturnType<typeof useDraft>} Draft */

/**
 * Who has just signed in may write at once; who was writing, go on.
 * @param {string | null} name
 * @param {string} draft
 */
function useFocus(name, draft) {
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const before = useRef(draft ? null : name);
  useEffect(() => {
    if (name && !before.current) area.current?.focus();
    before.current = name;
  }, [name]);
  return area;
}

/** @param {{ addMessage: (message: Message) => void }} props */
export function MessageForm({ addMessage }) {
  const { name } = useUser();
  const draft = useDraft();
  const area = useFocus(name, draft.text);
  /** @param {Event} event */
  function submit(event) {
    event.preventDefault();
    area.current?.focus();
    if (!name || !draft.ready) return;
    addMessage(newMessage(name, draft.body));
    draft.setText("");
  }
  return html`
    <form class="write" onSubmit=${submit}>
      <${Area} draft=${draft} area=${area} name=${name} submit=${submit} />
      <${Counter} left=${draft.left} />
      <${Act} name=${name} ready=${draft.ready} />
    </form>
  `;
}

/**
 * @param {{ draft: Draft, area: import("preact").RefObject<any>,
 *   name: string | null, submit: (event: Event) => void }} props
 */
function Area({ draft, area, name, submit }) {
  const { text, setText, left } = draft;
  /** @param {any} event */
  const type = ({ target }) => setText(target.value);
  /** @param {KeyboardEvent} event */
  const press = (event) => sends(event) && submit(event);
  const start = text.slice(0, MAX_LENGTH);
  // Of 1 MB, which somebody may paste, `auto` takes seconds.
  const dir = RIGHT_TO_LEFT.test(start) ? "rtl" : "ltr";
  return html`
    <div class="grow" data-text=${start}>
      <label class="unseen" for="message">Your message</label>
      <textarea id="message" ref=${area} value=${text} disabled=${!name}
        onInput=${type} onKeyDown=${press} rows="1" dir=${dir}
        placeholder=${name ? "Say something…" : "Join in…"}
        autocomplete="off" enterkeyhint="send" aria-describedby="left"
        aria-invalid=${left < 0 ? "true" : "false"} />
    </div>
  `;
}

/** @param {{ left: number }} props */
function Counter({ left }) {
  const over = left === -1 ? "1 character" : `${-left} characters`;
  const words = left < 0 ? `${over} too many` : `${left} left`;
  const near = left <= NEAR_THE_LIMIT;
  return html`
    <p id="left" class=${left < 0 ? "problem" : ""}>${near && words}</p>
  `;
}

/** @param {{ name: string | null, ready: boolean }} props */
function Act({ name, ready }) {
  if (!name) {
    return html`
      <button class="primary" type="button" onClick=${openSignIn}>
        Sign in to write
      </button>
    `;
  }
  const unready = ready ? "false" : "true";
  return html`<button class="primary" aria-disabled=${unready}>Send</button>`;
}

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

/** The draft, and how many characters are left. */
function useDraft() {
  const [text, show] = useState(read);
  /** @param {string} text */
  function setText(text) {
    show(text);
    keep(text);
  }
  const body = text.trim();
  const left = MAX_LENGTH - [...body].length;
  return { text, setText, body, left, ready: body !== "" && left >= 0 };
}
