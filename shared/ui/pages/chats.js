// The page of all chats: a card for each room.
import { html } from "htm/preact";
import { skin } from "./balloon.js";
import { mount, root } from "./mount.js";

/** @typedef {{ slug: string, name: string, description: string }} Room */

/** @param {{ room: Room, hue: number }} props */
function Card({ room, hue }) {
  return html`
    <li class="card" style=${{ "--hue": hue }}>
      <svg class="card-balloon" viewBox="-70 -76 140 214" aria-hidden="true">
        <path class="string" d="M0 74c-16 22 14 34 0 60" />
        ${skin()}
      </svg>
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
