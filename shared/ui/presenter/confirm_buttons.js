// A button whose action takes a second press, on another button.
import { html } from "htm/preact";
import { useRef, useState } from "preact/hooks";

/**
 * Ask for confirmation elsewhere: a double click does nothing.
 * @param {{ verb: string, subject: string, onConfirm: () => void }} props
 */
export function ConfirmButtons({ verb, subject, onConfirm }) {
  const [isAsking, setAsking] = useState(false);
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null));
  function confirm() {
    onConfirm();
    setAsking(false);
    button.current?.focus();
  }
  return html`
    ${isAsking && html`
      <button class="primary" type="button" onClick=${confirm}>
        ${verb} it for everybody
      </button>
    `}
    <button key="first" type="button" ref=${button}
      onClick=${() => setAsking(!isAsking)}
      aria-label=${isAsking ? `Keep ${subject}` : `${verb} ${subject}`}>
      ${isAsking ? "Keep it" : verb}
    </button>
  `;
}
