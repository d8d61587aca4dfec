// One message: who said it, what, and what has become of it.
import { Component, html } from "htm/preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { hue } from "../chat/hue.js";
import { remove, retry } from "../delivery/sender.js";

/** @typedef {import("./messages.js").Message} Message */
/**
 * @typedef {object} ItemProps
 * @property {Message} message
 * @property {boolean} mine
 * @property {boolean} first of those that one person says in a row
 * @property {boolean} waiting for the server to have it
 * @property {import("preact").RefObject<any>} box of its element
 */

/** @param {string} user */
function initials(user) {
  const words = user.trim().split(/\s+/);
  const ends = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return ends.map((word) => [...word][0] ?? "").join("").toUpperCase();
}

/** @param {{ message: Message }} props */
function Avatar({ message }) {
  const inside = message.role === "user" ? initials(message.user) : spark;
  return html`<span class="avatar" aria-hidden="true">${inside}</span>`;
}

const spark = html`
  <svg viewBox="0 0 24 24">
    <path d="M11 3c1 5 3 7 8 8-5 1-7 3-8 8-1-5-3-7-8-8 5-1 7-3 8-8z" />
    <path d="M19 15q.5 2.5 3 3-2.5.5-3 3-.5-2.5-3-3 2.5-.5 3-3z" />
  </svg>
`;

const dots = html`<span class="dots" aria-hidden="true"><i /><i /><i /></span>`;

/** @param {ItemProps} props */
function note({ message, mine, waiting }) {
  const { role, status, error = "" } = message;
  if (message.note) return message.note;
  if (status === "interrupted") return "This reply was cut off.";
  if (status === "failed" && role === "assistant") return error;
  if (status === "failed") return `Not sent. ${error}`;
  return mine && waiting ? "Sending…" : "";
}

/**
 * What can be done with a message that was not sent.
 * @param {{ id: string }} props
 */
function Choices({ id }) {
  /** @param {(id: string) => void} act */
  const choose = (act) => (/** @type {any} */ { currentTarget }) => {
    // The button goes: the keyboard is to stay where it is.
    currentTarget.closest("[role=log]").focus({ preventScroll: true });
    act(id);
  };
  return html`
    <div class="choices">
      <button type="button" onClick=${choose(retry)}>Try again</button>
      <button type="button" onClick=${choose(remove)}>Remove</button>
    </div>
  `;
}

/**
 * A text that may grow: its node stays, and with it what is selected in it.
 * @param {{ body: string }} props
 */
function Body({ body }) {
  const box = useRef(/** @type {any} */ (null));
  useLayoutEffect(() => {
    const { current: element } = box;
    const text = element.firstChild ?? element.appendChild(new Text());
    if (!body.startsWith(text.data)) text.data = "";
    text.appendData(body.slice(text.length));
  }, [body]);
  return html`<p class="body" dir="auto" ref=${box} />`;
}

/** @param {ItemProps} props */
function Said(props) {
  const { id, body, role, status, user } = props.message;
  const words = note(props);
  const refused = status === "failed" && role === "user";
  return html`
    <p class="name" dir="auto">${user}</p>
    <div class="bubble">
      ${status === "thinking" && dots}
      <${Body} body=${body} />
    </div>
    ${words && html`<p class="note" role=${refused ? "alert" : undefined}>${words}</p>`}
    ${refused && html`<${Choices} id=${id} />`}
  `;
}

/** @param {ItemProps} props */
function kind({ message, mine, first, waiting }) {
  const { role, seq, status } = message;
  const who = role === "assistant" ? "ai" : mine ? "mine" : "theirs";
  const sent = seq === undefined ? "" : "sent";
  const state = status ?? (mine && waiting ? "sending" : sent);
  return `message ${who} ${first ? "first" : ""} ${state}`;
}

/** @param {ItemProps} props */
function Drawn(props) {
  const { status, user } = props.message;
  const writing = status === "thinking" || status === "streaming";
  const live = writing || props.mine ? "off" : undefined;
  // A finished reply is a new element: that is what is read out, once.
  return html`
    <article class=${kind(props)} ref=${props.box} style=${{ "--hue": hue(user) }}
      aria-live=${live} aria-busy=${writing ? "true" : undefined}>
      <${Avatar} message=${props.message} />
      <div class="said" key=${writing ? "writing" : "written"}>
        <${Said} ...${props} />
      </div>
    </article>
  `;
}

function selection() {
  return /** @type {Selection} */ (getSelection());
}

/** A message that is drawn again only when something of it has changed. */
export class Item extends Component {
  /** @type {import("preact").RefObject<any>} */
  box = { current: null };

  /** @param {any} next */
  shouldComponentUpdate(next) {
    const now = /** @type {any} */ (this.props);
    return Object.keys(next).some((key) => next[key] !== now[key]);
  }

  /** The element of a finished reply is a new one: keep what is selected. */
  getSnapshotBeforeUpdate() {
    const { anchorNode, anchorOffset, focusNode, focusOffset } = selection();
    const isInside = anchorNode === focusNode && anchorNode === this.text;
    return isInside && [anchorNode, anchorOffset, focusOffset];
  }

  /** @param {any} _ @param {any} __ @param {any} was */
  componentDidUpdate(_, __, was) {
    const { text } = this;
    if (!was || was[0] === text) return;
    const [, from, to] = was.map((/** @type {any} */ offset) =>
      Math.min(offset, text.length),
    );
    selection().setBaseAndExtent(text, from, text, to);
  }

  get text() {
    return this.box.current?.querySelector(".body").firstChild;
  }

  /** @param {any} props */
  render(props) {
    return html`<${Drawn} ...${props} box=${this.box} />`;
  }
}
