// The form in which a message is written.
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { newMessage } from "../messages/own_messages.js";
import { openSignIn } from "../user/account.js";
import { load, save } from "../user/tab_storage.js";
import { useUser } from "../user/user.js";

/** @typedef {import("../messages/messages.js").Message} Message */

/** The tab keeps the draft over a reload. */
const STORAGE_KEY = `party-chat-draft:${location.pathname}`;

/** Characters of a message; the server has the same limit. */
const MAX_LENGTH = 4000;

/** Characters left, from which on they are counted. */
const COUNTER_FROM = 200;

/** Text whose first letter is of a right-to-left script. */
const RIGHT_TO_LEFT = /^\P{L}*[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/u;

/** @param {KeyboardEvent} event */
function isSubmitKey(event) {
  // Safari reports the Enter that ends a composition as key code 229.
  const isComposing = event.isComposing || event.keyCode === 229;
  return event.key === "Enter" && !event.shiftKey && !isComposing;
}

/**
 * Focus the field after signing in, and after a reload with a draft.
 * @param {string | null} name
 * @param {string} draft
 */
function useFocus(name, draft) {
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const nameBefore = useRef(draft ? null : name);
  useEffect(() => {
    if (name && !nameBefore.current) field.current?.focus();
    nameBefore.current = name;
  }, [name]);
  return field;
}

/** @param {{ addMessage: (message: Message) => void }} props */
export function MessageForm({ addMessage }) {
  const { name } = useUser();
  const { text, setText, body, left, isReady } = useDraft();
  const field = useFocus(name, text);
  /** @param {Event} event */
  function submit(event) {
    event.preventDefault();
    field.current?.focus();
    if (!name || !isReady) return;
    addMessage(newMessage(name, body));
    setText("");
  }
  /** @param {any} event */
  const onInput = ({ target }) => setText(target.value);
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => isSubmitKey(event) && submit(event);
  const start = text.slice(0, MAX_LENGTH);
  // With 1 MB of text, which somebody may paste, dir="auto" takes seconds.
  const dir = RIGHT_TO_LEFT.test(start) ? "rtl" : "ltr";
  return html`
    <form class="message-form" onSubmit=${submit}>
      <div class="auto-grow" data-text=${start}>
        <label class="visually-hidden" for="message">Your message</label>
        <textarea id="message" ref=${field} value=${text} disabled=${!name}
          onInput=${onInput} onKeyDown=${onKeyDown} rows="1" dir=${dir}
          placeholder=${name ? "Say something…" : "Join in…"}
          autocomplete="off" enterkeyhint="send"
          aria-describedby="characters-left"
          aria-invalid=${left < 0} />
      </div>
      <p id="characters-left" class=${left < 0 ? "problem" : ""}>
        ${counterText(left)}
      </p>
      <${SubmitButton} name=${name} isReady=${isReady} />
    </form>
  `;
}

/** @param {number} left */
function counterText(left) {
  if (left > COUNTER_FROM) return "";
  if (left === -1) return "1 character too many";
  return left < 0 ? `${-left} characters too many` : `${left} left`;
}

/** @param {{ name: string | null, isReady: boolean }} props */
function SubmitButton({ name, isReady }) {
  if (!name) {
    return html`
      <button class="primary" type="button" onClick=${openSignIn}>
        Sign in to write
      </button>
    `;
  }
  return html`<button class="primary" aria-disabled=${!isReady}>Send</button>`;
}

/** Return the draft, and how many characters are left. */
function useDraft() {
  const [text, setState] = useState(() => load(STORAGE_KEY));
  /** @param {string} text */
  function setText(text) {
    setState(text);
    save(STORAGE_KEY, text);
  }
  const body = text.trim();
  const left = MAX_LENGTH - [...body].length;
  return { text, setText, body, left, isReady: body !== "" && left >= 0 };
}
