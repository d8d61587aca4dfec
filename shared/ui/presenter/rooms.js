// The presenter's page: the rooms. Each can be cleared, and its last reply
// hidden.
import { html } from "htm/preact";
import { ConfirmButtons } from "./confirm_buttons.js";

/** @typedef {import("./use_presenter.js").Room} Room */
/** @typedef {import("./use_presenter.js").Act} Act */
/** @typedef {import("./use_presenter.js").SectionProps} SectionProps */

/** @param {SectionProps} props */
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
        <${RoomItem} key=${`${room.party}/${room.room}`} room=${room}
          act=${act} />
      `)}</ul>
    </section>
  `;
}

/** @param {{ room: Room, act: Act }} props */
function RoomItem({ room, act }) {
  const { party, room: id, title, people, messages } = room;
  const hide = () =>
    act(
      { action: "hide_reply", party, room: id },
      `The last reply in “${title}” is hidden.`,
    );
  const clear = () =>
    act({ action: "clear", party, room: id }, `“${title}” is empty now.`);
  return html`
    <li>
      <p>
        <b>${title}</b>${" "}
        <span class="detail">
          ${plural(people, "person", "people")},${" "}
          ${plural(messages, "message", "messages")}
        </span>
      </p>
      <div class="buttons">
        ${room.has_reply && html`
          <button type="button" onClick=${hide}
            aria-label=${`Hide the last reply in ${title}`}>
            Hide the last reply
          </button>
        `}
        <${ConfirmButtons} verb="Clear" subject=${title} onConfirm=${clear} />
      </div>
    </li>
  `;
}

/** @param {number} count @param {string} one @param {string} many */
function plural(count, one, many) {
  return `${count} ${count === 1 ? one : many}`;
}
