import { useSignal } from "@preact/signals";
import type { FunctionComponent, JSX } from "preact";
import { useEffect } from "preact/hooks";
import { text } from "../../language.ts";
import type { Entry } from "../../store.ts";

/** History of the host. The chart library is fetched from the hub when somebody first looks at a host. */
export function Charts({ entry }: { entry: Entry }): JSX.Element {
  const t = text.value;
  const plots = useSignal<{ view: FunctionComponent<{ entry: Entry }> } | undefined>(undefined);
  const fault = useSignal("");
  useEffect(() => {
    import("./plots.tsx").then(
      (module) => {
        plots.value = { view: module.Plots };
      },
      (reason: unknown) => {
        fault.value = String(reason);
      },
    );
  }, []);
  const View = plots.value?.view;
  return (
    <section class="history" aria-label={t.history}>
      {View === undefined ? <p class="quiet">{fault.value === "" ? t.loading : t.historyFault(fault.value)}</p> : null}
      {View === undefined ? null : <View entry={entry} />}
    </section>
  );
}
