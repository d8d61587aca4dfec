// The presenter's page: cause a fault, and see that no message is lost.
import { html } from "htm/preact";
import { ConfirmButtons } from "./confirm_buttons.js";

/** @typedef {import("./use_presenter.js").SectionProps} SectionProps */
/** @typedef {import("./use_presenter.js").FaultReport} FaultReport */

const STORED = "Messages are stored, and outlive it.";
const IN_MEMORY =
  "Messages are in memory alone, and would be lost: STORE=sqlite:party.db " +
  "stores them.";
const CUT_DONE = "All connections are cut. Pages reconnect in two seconds.";

/** @param {SectionProps} props */
export function Faults({ state, act }) {
  const { ai, shared, faults } = state;
  const cut = () => act({ action: "cut_connections" }, CUT_DONE);
  const stall = () =>
    act({ action: "stall_ai" }, "The AI is stalled for 10 seconds.");
  const restart = () =>
    act({ action: "restart" }, "The server restarts. Pages come back to it.");
  if (!shared) return null;
  return html`
    <section>
      <h2>Faults</h2>
      <ul>
        <li>
          <p>
            <b>Connections</b>${" "}
            <span class="detail">Pages reconnect after two seconds.</span>
          </p>
          <button type="button" onClick=${cut}
            aria-label="Cut all connections">Cut all</button>
        </li>
        ${ai.length > 0 && html`
          <li>
            <p>
              <b>The AI</b>${" "}
              <span class="detail">It goes on after 10 seconds.</span>
            </p>
            <button type="button" onClick=${stall}
              aria-label="Stall the AI for 10 s">Stall for 10 s</button>
          </li>
        `}
        ${faults.can_restart && html`
          <li>
            <p>
              <b>The server</b>${" "}
              <span class="detail">
                ${faults.keeps_messages ? STORED : IN_MEMORY}
              </span>
            </p>
            <div class="buttons">
              <${ConfirmButtons} verb="Restart" subject="the server"
                onConfirm=${restart} />
            </div>
          </li>
        `}
      </ul>
      <p aria-live="polite">${faults.report && reportText(faults.report)}</p>
    </section>
  `;
}

/** @param {FaultReport} report */
function reportText({ acknowledged, lost }) {
  const before = `Acknowledged before the fault: ${acknowledged}.`;
  return `${before} ${lost === null ? "Counting…" : `${lost} lost.`}`;
}
