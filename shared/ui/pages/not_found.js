// The page for an address that leads nowhere.
import { html } from "htm/preact";
import { mount, root } from "./mount.js";

function NotFound() {
  return html`
    <p class="lead">
      This balloon must have floated off: there is nothing at this address.
    </p>
    <p class="page-actions">
      <a class="button primary" href=${`${root}/chats`}>See all chats</a>
      <a class="button" href=${`${root}/`}>Go to the start</a>
    </p>
  `;
}

mount(NotFound);
