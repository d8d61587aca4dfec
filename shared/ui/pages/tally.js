// The large number of the usage page, which counts up to its new value.
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";

const DURATION = 700;
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * Animate from one number to another; return a function to stop.
 * @param {number} from
 * @param {number} to
 * @param {(number: number) => void} setNumber
 */
function animate(from, to, setNumber) {
  const start = performance.now();
  /** @param {number} now */
  function step(now) {
    const elapsed = Math.max(0, (now - start) / DURATION);
    const progress = reducedMotion.matches ? 1 : Math.min(1, elapsed);
    setNumber(Math.round(to - (to - from) * (1 - progress) ** 3));
    if (progress < 1) frame = requestAnimationFrame(step);
  }
  let frame = requestAnimationFrame(step);
  return () => cancelAnimationFrame(frame);
}

/** @param {number} tally */
function useAnimated(tally) {
  const [shown, setShown] = useState(tally);
  const latest = useRef(tally);
  latest.current = shown;
  useEffect(() => animate(latest.current, tally, setShown), [tally]);
  return shown;
}

/**
 * A number in large digits. A screen reader reads only its final value.
 * @param {{ tally: number, label?: string }} props
 */
export function Tally({ tally, label = "Tokens used" }) {
  const shown = useAnimated(tally).toLocaleString("en");
  const { length } = tally.toLocaleString("en");
  return html`
    <div class="tally" style=${{ "--length": length }}>
      <p class="number" aria-hidden="true">${shown}</p>
      <p class="label" aria-hidden="true">${label}</p>
      <p class="visually-hidden" role="status">${`${label}: ${tally}`}</p>
    </div>
  `;
}
