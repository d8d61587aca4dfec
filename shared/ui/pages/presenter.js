// The presenter's page: its actions apply to everybody at once.
import { html } from "htm/preact";
import { Faults } from "../presenter/faults.js";
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
      <${Faults} ...${props} />
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

/** For each choice: its label, its action, and its result. */
const ANSWERS = Object.entries({
  everybody: ["Everybody", "resume", "The AI answers everybody."],
  presenter: ["Only me", "answer_only_presenter", "The AI answers only you."],
  nobody: ["Nobody", "pause", "The AI answers nobody: questions wait."],
});

/** @param {SectionProps} props */
function Ai({ state, act }) {
  const { ai, answers, recordings_only: recorded } = state;
  const onSwitch = () =>
    recorded
      ? act({ action: "ask_model" }, "The model answers again.")
      : act({ action: "play_recordings" }, "Recordings answer now.");
  return html`
    <section>
      <h2>The AI</h2>
      ${ai.map((note) => html`<p class="detail">${note}</p>`)}
      ${ai.length
        ? html`<${AnswerChoice} answers=${answers} act=${act} />`
        : html`<p>No AI answers in here.</p>`}
      ${(state.has_model || recorded) && html`
        <${Toggle} pressed=${recorded} onPress=${onSwitch}>
          Play recordings instead
        <//>
      `}
    </section>
  `;
}

/** @param {{ answers: string, act: SectionProps["act"] }} props */
function AnswerChoice({ answers, act }) {
  return html`
    <p id="answers">The AI answers</p>
    <div class="choice" role="group" aria-labelledby="answers">
      ${ANSWERS.map(([name, [label, action, done]]) => html`
        <${Toggle} key=${name} pressed=${name === answers}
          onPress=${() => act({ action }, done)}>${label}<//>
      `)}
    </div>
    <p class="detail">
      “Only me” is this browser, at ${location.host}. Your questions come first
      in any case.
    </p>
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
