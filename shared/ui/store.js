// A value outside the components, which render again when it changes.
import { useLayoutEffect, useState } from "preact/hooks";

/**
 * Create a store; `use` is a hook that returns its current value.
 * @template T
 * @param {T} value
 */
export function createStore(value) {
  /** @type {Set<(value: T) => void>} */
  const listeners = new Set();
  return {
    /** @param {T} next */
    set(next) {
      value = next;
      for (const listener of listeners) listener(next);
    },
    use() {
      const [shown, setShown] = useState(value);
      useLayoutEffect(() => {
        setShown(value);
        listeners.add(setShown);
        return () => void listeners.delete(setShown);
      }, []);
      return shown;
    },
  };
}
