// The closing page of a presentation: what was built, in numbers.
import { html } from "htm/preact";
import { mount } from "shared/pages/mount.js";

/** @param {number} number */
function formatted(number) {
  return number.toLocaleString("en");
}

/**
 * @param {{
 *   steps: { idea: string, added: number }[],
 *   totals: Record<string, number>,
 *   repository: string,
 *   qr_code: string,
 * }} props
 */
function TheEnd({ steps, totals, repository, qr_code: qrCode }) {
  return html`
    <p class="lead">The demo has ended. This is what we built:</p>
    <ol class="steps">
      ${steps.map(
        ({ idea, added }) => html`
          <li><b>${formatted(added)} lines</b> <span>${idea}</span></li>
        `,
      )}
    </ol>
    <dl class="totals">
      ${Object.entries(totals).map(
        ([name, number]) => html`
          <div>
            <dt>${name}</dt>
            <dd>${formatted(number)}</dd>
          </div>
        `,
      )}
    </dl>
    <p class="next">
      Build stage two yourself: <code>make start-02</code>
    </p>
    ${
      repository &&
      html`
        <aside class="repository" aria-label="The code">
          <img
            src=${qrCode}
            width="330"
            height="330"
            alt=${`QR code: ${repository}`}
          />
          <p><a href=${repository}>${repository}</a></p>
        </aside>
      `
    }
  `;
}

mount(TheEnd);
