// Cursors: one field of everybody's presence, in fractions of the window.
import { useEffect } from "preact/hooks";
import { usePresence } from "./presence.js";

export function useCursors(room) {
  const { others, update } = usePresence(room);

  function point({ clientX, clientY }, pointer) {
    const x = clamp(clientX / innerWidth);
    const y = clamp(clientY / innerHeight);
    update({ cursor: { x, y, pointer } });
  }

  useEffect(() => {
    const hide = () => update({ cursor: null });
    const touch = (event) => point(event.touches[0], "touch");
    const ears = {
      pointermove: (e) => e.pointerType === "touch" || point(e, "mouse"),
      mouseleave: hide,
      touchstart: touch,
      touchmove: touch,
      touchend: hide,
      touchcancel: hide,
    };
    addEventListener("visibilitychange", hide);
    return listen(document.documentElement, ears);
  }, []);

  return others.filter(([, user]) => user.presence.cursor);
}

function listen(target, ears) {
  const end = new AbortController();
  for (const [type, ear] of Object.entries(ears)) {
    target.addEventListener(type, ear, { passive: true, signal: end.signal });
  }
  return () => end.abort();
}

function clamp(fraction) {
  return Math.min(1, Math.max(0, fraction));
}
