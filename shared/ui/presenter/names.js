// The presenter's page: mute names, and unmute them.
import { html } from "htm/preact";
import { useState } from "preact/hooks";

/** @typedef {import("./use_presenter.js").SectionProps} SectionProps */

/** @param {SectionProps} props */
export function Names({ state, act }) {
  const { muted, names, shared } = state;
  /** @param {string} name */
  const mute = (name) => act({ action: "mute", name }, `${name} is muted.`);
  /** @param {string} name */
  const unmute = (name) =>
    act({ action: "unmute", name }, `${name} may speak again.`);
  if (!shared) return null;
  return html`
    <section>
      <h2>Names</h2>
      <${NameList} names=${muted} verb="Unmute" act=${unmute} note="muted" />
      <${NameList} names=${names} verb="Mute" act=${mute} />
      <${MuteForm} mute=${mute} />
    </section>
  `;
}

/**
 * @param {{ names: string[], verb: string, note?: string,
 *   act: (name: string) => void }} props
 */
function NameList({ names, verb, note, act }) {
  return html`
    <ul>${names.map((name) => html`
      <li key=${name}>
        <p><b dir="auto">${name}</b> <span class="detail">${note}</span></p>
        <button type="button" aria-label=${`${verb} ${name}`}
          onClick=${() => act(name)}>${verb}</button>
      </li>
    `)}</ul>
  `;
}

/** @param {{ mute: (name: string) => void }} props */
function MuteForm({ mute }) {
  const [name, setName] = useState("");
  /** @param {Event} event */
  function onSubmit(event) {
    event.preventDefault();
    if (!name.trim()) return;
    mute(name.trim());
    setName("");
  }
  /** @param {any} event */
  const onInput = ({ target }) => setName(target.value);
  return html`
    <form onSubmit=${onSubmit}>
      <label for="other">Another name</label>
      <input id="other" value=${name} onInput=${onInput} maxlength="40"
        dir="auto" autocomplete="off" enterkeyhint="done" required />
      <button>Mute</button>
    </form>
  `;
}
