// Keeps a list at its newest end, unless its reader has scrolled away.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

const NEAR_THE_END = 60;

/** Messages that are drawn, and more of them each time its reader is on top. */
const PART = 500;

/** @typedef {{ follows: boolean, top: number }} View */

/**
 * Only a move of the reader's own changes whether the list follows.
 * @param {HTMLElement} box
 * @param {View} was
 * @returns {View}
 */
function look({ scrollTop: top, scrollHeight, clientHeight }, was) {
  const gap = scrollHeight - top - clientHeight;
  if (gap < 2) return { follows: true, top };
  if (top < was.top) return { follows: false, top };
  return { follows: was.follows || gap < NEAR_THE_END, top };
}

/**
 * @param {HTMLElement | null} box
 * @param {View} view
 */
function stay(box, view) {
  if (box && view.follows) box.scrollTop = box.scrollHeight;
}

/**
 * @param {Element | null} element
 * @param {() => void} act
 */
function onResize(element, act) {
  const observer = new ResizeObserver(act);
  if (element) observer.observe(element);
  return () => observer.disconnect();
}

/**
 * Remember where the first element in sight is: returns what puts it back.
 * @param {HTMLElement} box
 */
function hold(box) {
  const { top } = box.getBoundingClientRect();
  /** @param {Element} element */
  const end = (element) => element.getBoundingClientRect().bottom;
  const read = [...box.children].find((element) => end(element) > top);
  const was = read ? end(read) : 0;
  return () => {
    if (read?.isConnected) box.scrollTop += end(read) - was;
  };
}

/**
 * Have what is being read stay in sight when something comes before it.
 * @param {HTMLElement | null} box
 * @param {string | number | undefined} oldest the id of what comes first
 */
function useHold(box, oldest) {
  const known = useRef(oldest);
  const back = box && known.current !== oldest ? hold(box) : undefined;
  useLayoutEffect(() => {
    known.current = oldest;
    back?.();
  }, [oldest]);
}

/**
 * Draw the newest of many: each new one costs the browser time for all that
 * are drawn. The others come as a reader scrolls up.
 * @template {{ id: string | number }} T
 * @param {T[]} all
 * @param {boolean} mine whether the last is the reader's own: it is shown
 */
export function useFollow(all, mine) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const view = useRef({ follows: true, top: 0 });
  const hidden = useRef(0);
  const [, redraw] = useState({});
  const most = Math.max(0, all.length - PART - (all.length % PART));
  if (view.current.follows || hidden.current > most) hidden.current = most;
  const drawn = all.slice(hidden.current);
  const newest = all.at(-1)?.id;
  function reveal() {
    const more = !view.current.follows && hidden.current > 0;
    if (more) hidden.current -= PART;
    if (more) redraw({});
    return more;
  }
  const [unread, setUnread] = useState(false);
  const follow = () => stay(box.current, view.current);
  useHold(box.current, drawn[0]?.id);
  function scrolled() {
    if (box.current) view.current = look(box.current, view.current);
    if (view.current.follows) setUnread(false);
  }
  function jump() {
    view.current.follows = true;
    follow();
    box.current?.focus();
  }
  useLayoutEffect(() => {
    if (mine) view.current.follows = true;
    setUnread(!view.current.follows);
  }, [newest]);
  useLayoutEffect(follow);
  useEffect(() => onResize(box.current, follow), []);
  return { box, drawn, reveal, unread, scrolled, jump };
}
