// The start page.
import { html } from "htm/preact";
import { skin } from "./balloon.js";
import { mount, root } from "./mount.js";

/** @param {{ x: number, y: number, name: string, children: any }} props */
function Balloon({ x, y, name, children }) {
  const bend = 210 + (x - 210) * 0.3;
  const string = `M${x} ${y + 74}C${x} ${y + 150} ${bend} 340 210 446`;
  return html`
    <g class=${`balloon ${name}`}>
      <path class="string" d=${string} />
      <g transform=${`translate(${x} ${y})`}>
        ${skin()}${children}
      </g>
    </g>
  `;
}

const dots = html`
  <g class="mark">
    <circle cx="-24" r="8" /><circle r="8" /><circle cx="24" r="8" />
  </g>
`;

const lines = html`<path class="lines" d="M-26-14h52M-26 4h52M-26 22h30" />`;

const spark = html`
  <path class="mark" d="M0-36C4-10 10-4 36 0 10 4 4 10 0 36
    -4 10-10 4-36 0-10-4-4-10 0-36z" />
`;

function Balloons() {
  return html`
    <svg class="illustration" viewBox="0 0 420 460" aria-hidden="true">
      <path class="confetti" d="m34 66 9 8M392 92l-8 9M352 372v.1" />
      <path class="confetti two" d="M118 44v.1M404 318l-10-6M52 330l8-9" />
      <path class="confetti three" d="m318 54 10-5M24 246v.1M268 398l9 6" />
      <${Balloon} x=${96} y=${172} name="lines">${lines}<//>
      <${Balloon} x=${326} y=${194} name="spark">${spark}<//>
      <${Balloon} x=${216} y=${92} name="dots">${dots}<//>
    </svg>
  `;
}

function Home() {
  return html`
    <p class="lead">
      A few chat rooms, and nobody in them yet. Step by step they come alive:
      first with everybody in the hall, in real time, and then with an AI that
      joins the conversation.
    </p>
    <p class="page-actions">
      <a class="button primary" href=${`${root}/chats`}>Find a room</a>
    </p>
    <${Balloons} />
  `;
}

mount(Home);
