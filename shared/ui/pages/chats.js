// The page of all chats: a card for each room.
import { html } from "htm/preact";
import { mount, root } from "./mount.js";

/** @typedef {{ slug: string, name: string, description: string }} Room */

function Balloon() {
  return html`
    <svg class="card-balloon" viewBox="-70 -76 140 214" aria-hidden="true">
      <path class="string" d="M0 74c-16 22 14 34 0 60" />
      <path class="skin" d="m0 62-11 15h22z" />
      <path class="skin" d="M0-70C40-70 64-40 64-6 64 34 28 66 0 66
        S-64 34-64-6C-64-40-40-70 0-70z" />
      <path class="shine" d="M-44-22c5-15 15-25 28-30" />
    </svg>
  `;
}

/** @param {{ room: Room, hue: number }} props */
function Card({ room, hue }) {
  return html`
    <li class="card" style=${{ "--hue": hue }}>
      <${Balloon} />
      <h2><a href=${`${root}/chats/${room.slug}`}>${room.name}</a></h2>
      <p>${room.description}</p>
      <span class="card-link" aria-hidden="true">Join the chat</span>
    </li>
  `;
}

/** @param {Room} room @param {number} index */
function renderCard(room, index) {
  const hue = (17 + index * 137) % 360;
  return html`<${Card} key=${room.slug} room=${room} hue=${hue} />`;
}

/** @param {{ rooms: Room[] }} props */
function Chats({ rooms }) {
  return html`<ul class="cards">${rooms.map(renderCard)}</ul>`;
}

mount(Chats);
