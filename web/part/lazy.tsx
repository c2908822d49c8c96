import { useSignal } from "@preact/signals";
import type { FunctionComponent, JSX } from "preact";
import { useEffect } from "preact/hooks";
import { loadWithRetry } from "../ask.ts";
import { errorText, loadAdminText, text } from "../language.ts";
import { reload } from "../renew.ts";
import { loadSheet } from "../sheet.ts";
import adminSheet from "../style/admin.css?href";

/** Component that is loaded when it is first shown, with retries and a message meanwhile. */
export function lazy<P extends object>(load: () => Promise<FunctionComponent<P>>): FunctionComponent<P> {
  let held: FunctionComponent<P> | undefined;
  return function Lazy(props: P): JSX.Element {
    const there = useSignal(held !== undefined);
    const fault = useSignal("");
    useEffect(() => {
      let gone = false;
      const fetched = async (): Promise<void> => {
        held ??= await load();
        there.value = true;
      };
      loadWithRetry(fetched, (reason) => {
        fault.value = errorText(reason);
        return !gone;
      });
      return () => {
        gone = true;
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

/** The same for a part of accounts or administration, with their texts and styles. */
export function lazyAdmin<P extends object>(load: () => Promise<FunctionComponent<P>>): FunctionComponent<P> {
  return lazy(async () => (await Promise.all([load(), loadAdminText(), loadSheet(adminSheet)]))[0]);
}
