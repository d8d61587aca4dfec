// The presenter's page: its actions apply to everybody at once.
import { html } from "htm/preact";
import { Names } from "../presenter/names.js";
import { Rooms } from "../presenter/rooms.js";
import { usePresenter } from "../presenter/use_presenter.js";
import { mount } from "./mount.js";

/**
 * @typedef {import("../presenter/use_presenter.js").SectionProps} SectionProps
 */

function Presenter() {
  const { state, result, act } = usePresenter();
  const props = { state, act };
  return html`
    <p class="result" role="status">${result}</p>
    ${state && html`
      <${Ai} ...${props} />
      <${Cursors} ...${props} />
      <${Rooms} ...${props} />
      <${Names} ...${props} />
    `}
  `;
}

/**
 * A button that keeps its label, and is pressed or not.
 * @param {{ pressed: boolean, onPress: () => void, children?: any }} props
 */
function Toggle({ pressed, onPress, children }) {
  return html`
    <button class="toggle" type="button" onClick=${onPress}
      aria-pressed=${pressed}>${children}</button>
  `;
}

/** @param {SectionProps} props */
function Ai({ state, act }) {
  const { ai, paused } = state;
  const onPress = () =>
    paused
      ? act({ action: "resume" }, "The AI answers again.")
      : act({ action: "pause" }, "The AI is paused.");
  return html`
    <section>
      <h2>The AI</h2>
      ${ai.map((note) => html`<p class="detail">${note}</p>`)}
      ${ai.length
        ? html`<${Toggle} pressed=${paused} onPress=${onPress}>Pause the AI<//>`
        : html`<p>No AI answers in here.</p>`}
    </section>
  `;
}

/** @param {SectionProps} props */
function Cursors({ state, act }) {
  const hidden = state.cursors_hidden;
  const onPress = () =>
    hidden
      ? act({ action: "show_cursors" }, "Cursors are shown again.")
      : act({ action: "hide_cursors" }, "All cursors are hidden.");
  if (!state.shared) return null;
  return html`
    <section>
      <h2>Cursors</h2>
      <${Toggle} pressed=${hidden} onPress=${onPress}>Hide all cursors<//>
    </section>
  `;
}

mount(Presenter);
