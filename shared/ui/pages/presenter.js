// The presenter's page: what they decide holds for everybody at once.
import { html } from "htm/preact";
import { Names } from "../presenter/names.js";
import { Rooms } from "../presenter/rooms.js";
import { useHand } from "../presenter/use_presenter.js";
import { show } from "./mount.js";

/** @typedef {import("../presenter/use_presenter.js").PartProps} PartProps */

function Presenter() {
  const { state, words, act } = useHand();
  const parts = { state, act };
  return html`
    <p class="result" role="status">${words}</p>
    ${state && html`
      <${Ai} ...${parts} />
      <${Cursors} ...${parts} />
      <${Rooms} ...${parts} />
      <${Names} ...${parts} />
    `}
  `;
}

/**
 * A button that stays what it is, and is pressed or not.
 * @param {{ pressed: boolean, press: () => void, children?: any }} props
 */
function Toggle({ pressed, press, children }) {
  return html`
    <button class="toggle" type="button" onClick=${press}
      aria-pressed=${pressed ? "true" : "false"}>${children}</button>
  `;
}

/** @param {PartProps} props */
function Ai({ state, act }) {
  const { ai, paused } = state;
  const press = () =>
    paused
      ? act({ action: "resume" }, "The AI answers again.")
      : act({ action: "pause" }, "The AI is paused.");
  return html`
    <section>
      <h2>The AI</h2>
      ${ai.map((note) => html`<p class="about">${note}</p>`)}
      ${ai.length
        ? html`<${Toggle} pressed=${paused} press=${press}>Pause the AI<//>`
        : html`<p>No AI answers in here.</p>`}
    </section>
  `;
}

/** @param {PartProps} props */
function Cursors({ state, act }) {
  const hidden = state.cursors_hidden;
  const press = () =>
    hidden
      ? act({ action: "show_cursors" }, "Cursors are shown again.")
      : act({ action: "hide_cursors" }, "All cursors are hidden.");
  if (!state.shared) return null;
  return html`
    <section>
      <h2>Cursors</h2>
      <${Toggle} pressed=${hidden} press=${press}>Hide all cursors<//>
    </section>
  `;
}

show(Presenter);
