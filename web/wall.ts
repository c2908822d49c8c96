import { signal } from "@preact/signals";

/** The viewer's own clock in Unix milliseconds, once a second. Only for what this browser saw itself. */
export const wall = signal(Date.now());
