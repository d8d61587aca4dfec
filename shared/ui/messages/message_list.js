// The list of messages, oldest first.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { Notice } from "../chat/moderation.js";
import { isWaiting } from "../delivery/sender.js";
import { useAutoScroll } from "./auto_scroll.js";
import { useOlderMessages } from "./load_older.js";
import { MessageItem } from "./message.js";
import { isOwn } from "./own_messages.js";

/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./messages.js").Messages} Messages */

const BALLOON = new URL("../balloon.svg", import.meta.url).href;

/** Messages that may come at once and still be read out. */
const MAX_ANNOUNCED = 3;

/**
 * Return the list's `aria-live`: many at once, as a history, are not read out.
 * @param {number} count
 */
function useLiveRegion(count) {
  const [known, setKnown] = useState(0);
  useEffect(() => {
    const timer = setTimeout(setKnown, 1000, count);
    return () => clearTimeout(timer);
  }, [count]);
  return count - known > MAX_ANNOUNCED ? "off" : "polite";
}

/**
 * @param {Message} message
 * @param {number} index
 * @param {Message[]} all
 */
function renderItem(message, index, all) {
  const { id, user, role, seq, in_reply_to: question } = message;
  const before = all[index - 1];
  const isFirst = !!question || before?.user !== user || before.role !== role;
  return html`
    <${MessageItem} key=${id} message=${message} isFirst=${isFirst}
      isOwn=${isOwn(id)}
      isWaiting=${seq === undefined && isWaiting(id)} />
  `;
}

const emptyState = html`
  <div class="no-messages">
    <img src=${BALLOON} alt="" width="64" height="80" />
    <p><b>It’s quiet in here.</b></p>
    <p>Every party needs somebody to say the first word.</p>
  </div>
`;

/** @param {{ messages: Messages }} props */
export function MessageList({ messages }) {
  const { box, visible, showMore, hasUnread, onScroll, scrollToEnd } =
    useAutoScroll(messages, isOwn(messages.at(-1)?.id ?? ""));
  const { loadAtTop, status } = useOlderMessages(messages, box, showMore);
  function scroll() {
    onScroll();
    loadAtTop();
  }
  return html`
    <div class="message-area">
      <${Notice} restrictions=${messages.restrictions} />
      <div class="messages" role="log" aria-label="Messages" tabindex="0"
        aria-live=${useLiveRegion(messages.length)} aria-relevant="additions"
        ref=${box} onScroll=${scroll}>
        ${visible.map(renderItem)}
      </div>
      <p class="loading-older" role="status">${status}</p>
      ${!messages.length && emptyState}
      ${hasUnread && html`
        <button class="new-messages" type="button" onClick=${scrollToEnd}>
          New messages <span aria-hidden="true">↓</span>
        </button>
      `}
    </div>
  `;
}
