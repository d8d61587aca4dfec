// A drawn balloon, without its string.
import { html } from "htm/preact";

export function skin() {
  return html`
    <path class="skin" d="m0 62-11 15h22z" />
    <path class="skin" d="M0-70C40-70 64-40 64-6 64 34 28 66 0 66
      S-64 34-64-6C-64-40-40-70 0-70z" />
    <path class="shine" d="M-44-22c5-15 15-25 28-30" />
  `;
}
