import { signal } from "@preact/signals";

/** The viewer's own clock in Unix milliseconds, updated every second. Only for events in this browser. */
export const wall = signal(Date.now());
