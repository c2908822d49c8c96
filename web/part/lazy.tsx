import { useSignal } from "@preact/signals";
import type { FunctionComponent, JSX } from "preact";
import { useEffect } from "preact/hooks";
import { text } from "../language.ts";

/** A part of the page that is fetched from the hub when it is first looked at. */
export function lazy<P extends object>(load: () => Promise<FunctionComponent<P>>): FunctionComponent<P> {
  let held: FunctionComponent<P> | undefined;
  return function Lazy(props: P): JSX.Element {
    const there = useSignal(held !== undefined);
    const fault = useSignal("");
    useEffect(() => {
      if (held !== undefined) return;
      load().then(
        (view) => {
          held = view;
          there.value = true;
        },
        (reason: unknown) => {
          fault.value = String(reason);
        },
      );
    }, []);
    const t = text.value;
    if (there.value && held !== undefined) {
      const View = held;
      return <View {...props} />;
    }
    return <p class="empty">{fault.value === "" ? t.loading : t.partFault(fault.value)}</p>;
  };
}
