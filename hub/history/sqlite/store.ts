import type { Store } from "../store.ts";
export function openStore(_o: unknown): Store {
  const none = new Float64Array();
  return {
    append() {},
    read: () => ({ t: none, min: none, avg: none, max: none }),
    known: () => [],
    flush() {},
    close() {},
  };
}
