// The big number of the usage page; it counts up to what it is told.
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";

const DURATION = 700;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * Walk from one number to another, frame by frame.
 * @param {number} from
 * @param {number} to
 * @param {(number: number) => void} show
 */
function count(from, to, show) {
  const start = performance.now();
  /** @param {number} now */
  function step(now) {
    const part = calm.matches ? 1 : Math.min(1, (now - start) / DURATION);
    show(Math.round(to - (to - from) * (1 - Math.max(0, part)) ** 3));
    if (part < 1) frame = requestAnimationFrame(step);
  }
  let frame = requestAnimationFrame(step);
  return () => cancelAnimationFrame(frame);
}

/** @param {number} tally */
function useCounted(tally) {
  const [shown, setShown] = useState(tally);
  const latest = useRef(tally);
  latest.current = shown;
  useEffect(() => count(latest.current, tally, setShown), [tally]);
  return shown;
}

/**
 * A number for the back row. Screen readers hear where it ends up, once.
 * @param {{ tally: number, label?: string }} props
 */
export function Tally({ tally, label = "Tokens used" }) {
  const shown = useCounted(tally).toLocaleString("en");
  const { length } = tally.toLocaleString("en");
  return html`
    <div class="tally" style=${{ "--length": length }}>
      <p class="number" aria-hidden="true">${shown}</p>
      <p class="label" aria-hidden="true">${label}</p>
      <p class="unseen" role="status">${`${label}: ${tally}`}</p>
    </div>
  `;
}
