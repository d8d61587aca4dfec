// What was said in a room, oldest first.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { useFollow } from "./follow.js";
import { Item } from "./message.js";
import { Loading, useOlder } from "./older.js";
import { isMine } from "./own.js";
import { Notice } from "./rules.js";
import { isWaiting } from "./sender.js";

/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./messages.js").Messages} Messages */

const BALLOON = new URL("balloon.svg", import.meta.url).href;

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
  const { id, user, role, place } = message;
  const before = all[at - 1];
  const first = before?.user !== user || before.role !== role;
  return html`
    <${Item} key=${id} message=${message} first=${first}
      mine=${isMine(id)}
      waiting=${place === undefined && isWaiting(id)} />
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
  const newest = messages.at(-1)?.id ?? "";
  const oldest = messages[0]?.id;
  const { box, unread, scrolled, jump } =
    useFollow(newest, isMine(newest), oldest);
  const { look, loading } = useOlder(messages, box);
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
        ${messages.map(item)}
      </div>
      <${Loading} loading=${loading} />
      ${!messages.length && html`<${Empty} />`}
      ${unread && html`<${Newer} jump=${jump} />`}
    </div>
  `;
}
