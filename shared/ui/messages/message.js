// One message: its author, its text and its status.
import { Component, html } from "htm/preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { remove, retry } from "../delivery/sender.js";
import { hue } from "../user/user.js";

/** @typedef {import("./messages.js").Message} Message */
/**
 * @typedef {object} MessageProps
 * @property {Message} message
 * @property {boolean} isOwn
 * @property {boolean} isFirst whether its author is shown
 * @property {boolean} isWaiting for the server to acknowledge it
 * @property {import("preact").RefObject<any>} box of its element
 */

/** @param {string} user */
function initials(user) {
  const words = user.trim().split(/\s+/);
  const ends = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return ends.map((word) => [...word][0] ?? "").join("").toUpperCase();
}

const spark = html`
  <svg viewBox="0 0 24 24">
    <path d="M11 3c1 5 3 7 8 8-5 1-7 3-8 8-1-5-3-7-8-8 5-1 7-3 8-8z" />
    <path d="M19 15q.5 2.5 3 3-2.5.5-3 3-.5-2.5-3-3 2.5-.5 3-3z" />
  </svg>
`;

const dots = html`<span class="dots" aria-hidden="true"><i /><i /><i /></span>`;

/** @param {MessageProps} props */
function noteOf({ message, isOwn, isWaiting }) {
  const { role, status, error = "" } = message;
  if (message.note) return message.note;
  if (status === "interrupted") return "This reply was cut off.";
  if (status === "failed" && role === "assistant") return error;
  if (status === "failed") return `Not sent. ${error}`;
  return isOwn && isWaiting ? "Sending…" : "";
}

/** @param {{ id: string }} props of a message that was not sent */
function FailedActions({ id }) {
  /** @param {(id: string) => void} action */
  const onClick = (action) => (/** @type {any} */ { currentTarget }) => {
    // The button will be removed: keep the focus in the list.
    currentTarget.closest("[role=log]").focus({ preventScroll: true });
    action(id);
  };
  return html`
    <div class="failed-actions">
      <button type="button" onClick=${onClick(retry)}>Try again</button>
      <button type="button" onClick=${onClick(remove)}>Remove</button>
    </div>
  `;
}

/**
 * A text that may grow. Its DOM node stays, and so does a selection in it.
 * @param {{ body: string }} props
 */
function GrowingText({ body }) {
  const box = useRef(/** @type {any} */ (null));
  useLayoutEffect(() => {
    const { current: element } = box;
    const text = element.firstChild ?? element.appendChild(new Text());
    if (!body.startsWith(text.data)) text.data = "";
    text.appendData(body.slice(text.length));
  }, [body]);
  return html`<p class="body" dir="auto" ref=${box} />`;
}

/** @param {MessageProps} props */
function classNames({ message, isOwn, isFirst, isWaiting }) {
  const { role, seq, status } = message;
  const author = role === "assistant" ? "ai" : isOwn ? "own" : "";
  const sent = seq === undefined ? "" : "sent";
  const state = status ?? (isOwn && isWaiting ? "sending" : sent);
  return `message ${author} ${isFirst ? "first" : ""} ${state}`;
}

/** @param {Message} props */
function Author({ user, in_reply_to: question }) {
  const name = html`<p class="name" dir="auto">${user}</p>`;
  if (!question) return name;
  const { user: asker, body, merged } = question;
  const others = merged === 1 ? "and 1 other" : `and ${merged} others`;
  return html`
    <div class="in-reply-to">
      ${name}
      <p class="quote">to <bdi>${asker}</bdi>: <bdi>${body}</bdi></p>
      ${merged && html`<p class="merged">${others}</p>`}
    </div>
  `;
}

/** @param {MessageProps} props */
function MessageView(props) {
  const { id, body, role, status, user } = props.message;
  const isWriting = status === "thinking" || status === "streaming";
  const isRefused = status === "failed" && role === "user";
  const live = isWriting || props.isOwn ? "off" : undefined;
  const note = noteOf(props);
  // A new key once a reply is finished: a screen reader reads it out once.
  return html`
    <article class=${classNames(props)} ref=${props.box}
      style=${{ "--hue": hue(user) }} aria-live=${live}
      aria-busy=${isWriting ? "true" : undefined}>
      <span class="avatar" aria-hidden="true">
        ${role === "user" ? initials(user) : spark}
      </span>
      <div class="content" key=${isWriting ? "writing" : "written"}>
        <${Author} ...${props.message} />
        <div class="bubble">
          ${status === "thinking" && dots}
          <${GrowingText} body=${body} />
        </div>
        ${note && html`
          <p class="note" role=${isRefused ? "alert" : undefined}>${note}</p>
        `}
        ${isRefused && html`<${FailedActions} id=${id} />`}
      </div>
    </article>
  `;
}

function selection() {
  return /** @type {Selection} */ (getSelection());
}

/** A message that is rendered again only if one of its props has changed. */
export class MessageItem extends Component {
  /** @type {import("preact").RefObject<any>} */
  box = { current: null };

  /** @param {any} next */
  shouldComponentUpdate(next) {
    const now = /** @type {any} */ (this.props);
    return Object.keys(next).some((key) => next[key] !== now[key]);
  }

  /** Save the selection: the element of a finished reply is a new one. */
  getSnapshotBeforeUpdate() {
    const { anchorNode, anchorOffset, focusNode, focusOffset } = selection();
    const isInside = anchorNode === focusNode && anchorNode === this.text;
    return isInside && [anchorNode, anchorOffset, focusOffset];
  }

  /** @param {any} _ @param {any} __ @param {any} saved */
  componentDidUpdate(_, __, saved) {
    const { text } = this;
    if (!saved || saved[0] === text) return;
    const [, from, to] = saved.map((/** @type {any} */ offset) =>
      Math.min(offset, text.length),
    );
    selection().setBaseAndExtent(text, from, text, to);
  }

  get text() {
    return this.box.current?.querySelector(".body").firstChild;
  }

  /** @param {any} props */
  render(props) {
    return html`<${MessageView} ...${props} box=${this.box} />`;
  }
}
