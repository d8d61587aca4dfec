// Keep a list scrolled to its end, unless its reader has scrolled away.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** Pixels from the end at which a list follows it again. */
const DISTANCE = 60;

/** Items that are rendered, and more of them each time the top is reached. */
const CHUNK_SIZE = 500;

/** @typedef {{ isFollowing: boolean, top: number }} View */

/**
 * Return the view after scrolling: only the reader changes what it follows.
 * @param {HTMLElement} box
 * @param {View} was
 * @returns {View}
 */
function viewOf({ scrollTop: top, scrollHeight, clientHeight }, was) {
  const gap = scrollHeight - top - clientHeight;
  if (gap < 2) return { isFollowing: true, top };
  if (top < was.top) return { isFollowing: false, top };
  return { isFollowing: was.isFollowing || gap < DISTANCE, top };
}

/**
 * Remember where the first visible item is; return a function to restore it.
 * @param {HTMLElement} box
 */
function rememberPosition(box) {
  const { top } = box.getBoundingClientRect();
  /** @param {Element} element */
  const end = (element) => element.getBoundingClientRect().bottom;
  const anchor = [...box.children].find((element) => end(element) > top);
  const was = anchor ? end(anchor) : 0;
  return () => {
    if (anchor?.isConnected) box.scrollTop += end(anchor) - was;
  };
}

/**
 * Keep the visible items in place when others come before them.
 * @param {HTMLElement | null} box
 * @param {string | number | undefined} firstId
 */
function useScrollAnchor(box, firstId) {
  const known = useRef(firstId);
  const restore =
    box && known.current !== firstId ? rememberPosition(box) : undefined;
  useLayoutEffect(() => {
    known.current = firstId;
    restore?.();
  }, [firstId]);
}

/**
 * Render the newest items, as each new one costs the browser time for all that
 * are rendered. The others follow as the reader scrolls up.
 * @template {{ id: string | number }} T
 * @param {T[]} items
 * @param {boolean} isOwn whether the last is the reader's own: it is shown
 */
export function useAutoScroll(items, isOwn) {
  const box = useRef(/** @type {any} */ (null));
  const view = useRef({ isFollowing: true, top: 0 });
  const hidden = useRef(0);
  const [, redraw] = useState({});
  const { length } = items;
  const max = Math.max(0, length - CHUNK_SIZE - (length % CHUNK_SIZE));
  if (view.current.isFollowing || hidden.current > max) hidden.current = max;
  const visible = items.slice(hidden.current);
  const lastId = items.at(-1)?.id;
  function showMore() {
    const hasMore = !view.current.isFollowing && hidden.current > 0;
    if (hasMore) hidden.current -= CHUNK_SIZE;
    if (hasMore) redraw({});
    return hasMore;
  }
  const [hasUnread, setUnread] = useState(false);
  function follow() {
    const element = box.current;
    if (!element || !view.current.isFollowing) return;
    element.scrollTop = element.scrollHeight;
  }
  useScrollAnchor(box.current, visible[0]?.id);
  function onScroll() {
    if (box.current) view.current = viewOf(box.current, view.current);
    if (view.current.isFollowing) setUnread(false);
  }
  function scrollToEnd() {
    view.current.isFollowing = true;
    follow();
    box.current?.focus();
  }
  useLayoutEffect(() => {
    if (isOwn) view.current.isFollowing = true;
    setUnread(!view.current.isFollowing);
  }, [lastId]);
  useLayoutEffect(follow);
  useEffect(() => {
    const observer = new ResizeObserver(follow);
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  return { box, visible, showMore, hasUnread, onScroll, scrollToEnd };
}
