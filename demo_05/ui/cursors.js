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
    const listeners = {
      pointermove: (e) => e.pointerType === "touch" || point(e, "mouse"),
      mouseleave: hide,
      touchstart: touch,
      touchmove: touch,
      touchend: hide,
      touchcancel: hide,
    };
    const controller = new AbortController();
    const options = { passive: true, signal: controller.signal };
    for (const [type, listener] of Object.entries(listeners)) {
      document.documentElement.addEventListener(type, listener, options);
    }
    document.addEventListener("visibilitychange", hide, options);
    return () => controller.abort();
  }, []);

  return others.filter(([, user]) => user.presence.cursor);
}

function clamp(fraction) {
  return Math.min(1, Math.max(0, fraction));
}
