// The QR code for the audience, in a dialog that fills the window.
import { html, render } from "htm/preact";
import { loadStyle } from "./load_style.js";

/** @typedef {{ address?: string, qr_code?: string }} Invitation */

const { root = "" } = document.documentElement.dataset;

const dialog = document.createElement("dialog");
dialog.id = "invitation";
dialog.setAttribute("aria-labelledby", "invitation-title");
document.body.append(dialog);

await loadStyle(new URL("invitation.css", import.meta.url).href);

/** @param {Invitation} props */
function Content({ address, qr_code }) {
  const image = html`<img src=${qr_code} alt=${`QR code: ${address}`} />`;
  return html`
    <h2 id="invitation-title">Join in</h2>
    <button type="button" onClick=${() => dialog.close()}>Close</button>
    ${address && image}
    <p>${address ?? "This machine is in no network at the moment."}</p>
  `;
}

export async function toggle() {
  if (dialog.open) return dialog.close();
  const answer = await fetch(`${root}/invitation`);
  const invitation = answer.ok ? await answer.json() : {};
  render(html`<${Content} ...${invitation} />`, dialog);
  if (!dialog.open) dialog.showModal();
}
