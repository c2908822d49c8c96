import { type ReadonlySignal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { loadWithRetry, Refusal, SignIn } from "../../ask.ts";
import { errorText } from "../../language.ts";

/** What the hub answered. */
export interface Answered<T> {
  readonly value: ReadonlySignal<T | undefined>;
  /** Why `value` is missing or old; "" if it is current, or being loaded. */
  readonly error: ReadonlySignal<string>;
  /** Code of the hub's refusal, which is final; "" for none. */
  readonly refusal: ReadonlySignal<string>;
}

/**
 * Loads something once, and again when the tab is shown again, with retries.
 * @param key what is loaded; another key loads anew
 */
export function useAnswer<T>(load: (stop: AbortSignal) => Promise<T>, key: string): Answered<T> {
  const value = useSignal<T | undefined>(undefined);
  const error = useSignal("");
  const refusal = useSignal("");
  useEffect(() => {
    let stop = new AbortController();
    const ask = (): void => {
      stop.abort();
      stop = new AbortController();
      const { signal } = stop;
      const taken = async (): Promise<void> => {
        const answer = await load(signal);
        if (signal.aborted) return;
        value.value = answer;
        error.value = refusal.value = "";
      };
      loadWithRetry(taken, (reason) => {
        if (signal.aborted) return false;
        // The sign-in replaces this page.
        if (reason instanceof SignIn && reason.own) return false;
        error.value = errorText(reason);
        refusal.value = reason instanceof Refusal ? reason.code : "";
        return refusal.value === "" || refusal.value === "busy";
      });
    };
    const appear = (): void => {
      if (!document.hidden) ask();
    };
    document.addEventListener("visibilitychange", appear);
    ask();
    return () => {
      document.removeEventListener("visibilitychange", appear);
      stop.abort();
    };
  }, [key]);
  return { value, error, refusal };
}
