// On the presenter's page: the rooms, each of which can be cleared.
import { html } from "htm/preact";
import { useRef, useState } from "preact/hooks";

/** @typedef {import("./use_presenter.js").Room} Room */
/** @typedef {import("./use_presenter.js").Act} Act */
/** @typedef {import("./use_presenter.js").PartProps} PartProps */

/** @param {PartProps} props */
export function Rooms({ state, act }) {
  const { rooms, shared } = state;
  const none = shared
    ? "Nobody has opened a room yet."
    : "There are no rooms yet: what is said stays in one page.";
  return html`
    <section>
      <h2>Rooms</h2>
      ${!rooms.length && html`<p>${none}</p>`}
      <ul>${rooms.map((room) => html`
        <${One} key=${`${room.party}/${room.room}`} room=${room} act=${act} />
      `)}</ul>
    </section>
  `;
}

/** @param {{ room: Room, act: Act }} props */
function One({ room, act }) {
  const { party, room: id, title, people, messages } = room;
  const clear = () =>
    act({ action: "clear", party, room: id }, `“${title}” is empty now.`);
  return html`
    <li>
      <p>
        <b>${title}</b>${" "}
        <span class="about">
          ${counted(people, "person", "people")},${" "}
          ${counted(messages, "message", "messages")}
        </span>
      </p>
      <${Clear} title=${title} clear=${clear} />
    </li>
  `;
}

/** @param {number} count @param {string} one @param {string} many */
function counted(count, one, many) {
  return `${count} ${count === 1 ? one : many}`;
}

/**
 * It asks back; pressed twice by mistake, it clears nothing.
 * @param {{ title: string, clear: () => void }} props
 */
function Clear({ title, clear }) {
  const [sure, setSure] = useState(false);
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null));
  function yes() {
    clear();
    setSure(false);
    button.current?.focus();
  }
  return html`
    <div class="buttons">
      ${sure && html`
        <button class="primary" type="button" onClick=${yes}>
          Clear it for everybody
        </button>
      `}
      <button key="first" type="button" ref=${button}
        onClick=${() => setSure(!sure)}
        aria-label=${sure ? `Keep ${title}` : `Clear ${title}`}>
        ${sure ? "Keep it" : "Clear"}
      </button>
    </div>
  `;
}
