import { type ReadonlySignal, type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { SignIn } from "../../ask.ts";
import { errorText } from "../../language.ts";

/** What the hub answered last. */
export interface Loaded<T> {
  readonly value: ReadonlySignal<T | undefined>;
  /** Why `value` is missing or old; "" if it is current. */
  readonly error: ReadonlySignal<string>;
  /** Asks again, as after a change. Resolves when the answer is shown. */
  again(): Promise<void>;
  /** Shows an answer that a change brought. */
  put(change: (value: T) => T): void;
}

/** Shortest pause between requests of what changes by itself, in milliseconds. */
const pauseMs = 5000;
/** A long list is requested less often: the pause is so many times the time of the answer. */
const restFactor = 20;

/**
 * Loads something now and, while the tab is visible, every few seconds.
 * @param key what is loaded; another key discards the answer
 */
export function useLoaded<T>(load: (stop: AbortSignal) => Promise<T>, key = ""): Loaded<T> {
  const value = useSignal<T | undefined>(undefined);
  const error = useSignal("");
  const loader = useSignal<{ ask(): Promise<void>; skip(): void } | undefined>(undefined);
  useEffect(() => {
    value.value = undefined;
    const following = follow(load, value, error);
    loader.value = following;
    return following.stop;
  }, [key]);
  return {
    value,
    error,
    again: async () => loader.peek()?.ask(),
    put(change) {
      // An answer that is under way may be older than the change.
      loader.peek()?.skip();
      if (value.peek() !== undefined) value.value = change(value.peek() as T);
    },
  };
}

function follow<T>(load: (stop: AbortSignal) => Promise<T>, value: Signal<T | undefined>, error: Signal<string>) {
  const stop = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let asked = 0;
  const ask = async (): Promise<void> => {
    clearTimeout(timer);
    const mine = ++asked;
    const begun = performance.now();
    try {
      const answer = await load(stop.signal);
      if (mine !== asked) return;
      value.value = answer;
      error.value = "";
    } catch (reason) {
      // The sign-in replaces this page.
      if (mine === asked && !stop.signal.aborted && !(reason instanceof SignIn && reason.own))
        error.value = errorText(reason);
    }
    pause = Math.max(pauseMs, restFactor * (performance.now() - begun));
    if (mine === asked) later();
  };
  let pause = pauseMs;
  const later = (): void => {
    clearTimeout(timer);
    if (!stop.signal.aborted && !document.hidden) timer = setTimeout(ask, pause);
  };
  const appear = (): void => {
    if (!document.hidden) ask();
  };
  document.addEventListener("visibilitychange", appear);
  ask();
  return {
    ask,
    skip() {
      asked++;
      later();
    },
    stop() {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", appear);
    },
  };
}
