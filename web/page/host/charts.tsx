import type { JSX } from "preact";
import { text } from "../../language.ts";
import { lazy } from "../../part/lazy.tsx";
import type { Entry } from "../../store.ts";

/** The chart library comes only where charts are. */
const Plots = lazy<{ entry: Entry }>(async () => (await import("./plots.tsx")).Plots);

/** History of the host. */
export function Charts({ entry }: { entry: Entry }): JSX.Element {
  return (
    <section class="history" aria-label={text.value.history}>
      <Plots entry={entry} />
    </section>
  );
}
