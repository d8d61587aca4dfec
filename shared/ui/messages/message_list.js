// What was said in a room, oldest first.
import { html } from "htm/preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { Notice } from "../chat/moderation.js";
import { askOlder, isMine, isWaiting } from "../delivery/sender.js";
import { useFollow } from "./auto_scroll.js";
import { beginning } from "./merge.js";
import { Item } from "./message.js";

/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./messages.js").Messages} Messages */

const BALLOON = new URL("../balloon.svg", import.meta.url).href;

/** Pixels from the top: it may be there before its reader is. */
const NEAR_THE_TOP = 200;

/** Milliseconds for an answer: then it is asked for again. */
const PATIENCE = 5000;

/**
 * What arrives at once, as a history does, is not read out; the rest is.
 * @param {number} count
 */
function useLive(count) {
  const [heard, setHeard] = useState(0);
  useEffect(() => {
    const timer = setTimeout(setHeard, 1000, count);
    return () => clearTimeout(timer);
  }, [count]);
  return count - heard > 3 ? "off" : "polite";
}

/**
 * @param {Message} message
 * @param {number} at
 * @param {Message[]} all
 */
function item(message, at, all) {
  const { id, user, role, seq } = message;
  const before = all[at - 1];
  const first = before?.user !== user || before.role !== role;
  return html`
    <${Item} key=${id} message=${message} first=${first}
      mine=${isMine(id)}
      waiting=${seq === undefined && isWaiting(id)} />
  `;
}

function Empty() {
  return html`
    <div class="empty">
      <img src=${BALLOON} alt="" width="64" height="80" />
      <p><b>It’s quiet in here.</b></p>
      <p>Every party needs somebody to say the first word.</p>
    </div>
  `;
}

/** @param {{ jump: () => void }} props */
function Newer({ jump }) {
  return html`
    <button class="newer" type="button" onClick=${jump}>
      New messages <span aria-hidden="true">↓</span>
    </button>
  `;
}

/** @param {{ messages: Messages }} props */
export function MessageList({ messages }) {
  const { box, drawn, reveal, unread, scrolled, jump } =
    useFollow(messages, isMine(messages.at(-1)?.id ?? ""));
  const { look, loading } = useOlder(messages, box, reveal);
  function scroll() {
    scrolled();
    look();
  }
  return html`
    <div class="talk">
      <${Notice} rules=${messages.rules} />
      <div class="messages" role="log" aria-label="Messages" tabindex="0"
        aria-live=${useLive(messages.length)} aria-relevant="additions"
        ref=${box} onScroll=${scroll}>
        ${drawn.map(item)}
      </div>
      <${Loading} loading=${loading} />
      ${!messages.length && html`<${Empty} />`}
      ${unread && html`<${Newer} jump=${jump} />`}
    </div>
  `;
}

/**
 * @param {Messages} messages
 * @param {import("preact").RefObject<any>} box in which they scroll
 * @param {() => boolean} reveal shows some that are here, if any are not shown
 */
function useOlder(messages, box, reveal) {
  const first = beginning(messages);
  // A new connection, of which a history tells, does not answer for the last.
  const question = `${messages.heard} ${first}`;
  const [asked, setAsked] = useState("");
  const loading = first > 0 && asked === question;
  function look() {
    const near = box.current.scrollTop < NEAR_THE_TOP;
    if (!near || reveal()) return;
    if (first && !loading && askOlder(first)) setAsked(question);
  }
  useLayoutEffect(look);
  useEffect(() => {
    const timer = setTimeout(setAsked, PATIENCE, "");
    return () => clearTimeout(timer);
  }, [asked]);
  return { look, loading };
}

/** @param {{ loading: boolean }} props */
function Loading({ loading }) {
  return html`
    <p class="loading" role="status">
      ${loading && "Loading earlier messages…"}
    </p>
  `;
}
