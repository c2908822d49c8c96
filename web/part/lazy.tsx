import { useSignal } from "@preact/signals";
import type { FunctionComponent, JSX } from "preact";
import { useEffect } from "preact/hooks";
import { text } from "../language.ts";
import { reload } from "../renew.ts";

/** Milliseconds between attempts, at first and at most. */
const firstPause = 1000;
const longestPause = 30_000;

/** A part of the page that is fetched from the hub when it is first looked at, until it is there. */
export function lazy<P extends object>(load: () => Promise<FunctionComponent<P>>): FunctionComponent<P> {
  let held: FunctionComponent<P> | undefined;
  return function Lazy(props: P): JSX.Element {
    const there = useSignal(held !== undefined);
    const fault = useSignal("");
    useEffect(() => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      let gone = false;
      const attempt = async (pause: number): Promise<void> => {
        try {
          held ??= await load();
          there.value = true;
        } catch (reason) {
          fault.value = String(reason);
          if (!gone) timer = setTimeout(attempt, pause, Math.min(2 * pause, longestPause));
        }
      };
      attempt(firstPause);
      return () => {
        gone = true;
        clearTimeout(timer);
      };
    }, []);
    const t = text.value;
    if (there.value && held !== undefined) {
      const View = held;
      return <View {...props} />;
    }
    if (fault.value === "") return <p class="empty">{t.loading}</p>;
    return (
      <div class="empty">
        <p>{t.partFault(fault.value)}</p>
        <button type="button" class="button" onClick={reload}>
          {t.loadAgain}
        </button>
      </div>
    );
  };
}
