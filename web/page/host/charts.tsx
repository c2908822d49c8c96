import type { ReadonlySignal } from "@preact/signals";
import type { JSX } from "preact";
import { text } from "../../language.ts";
import { lazy } from "../../part/lazy.tsx";
import type { Entry } from "../../store.ts";
import type { Detail } from "./detail.ts";

interface Props {
  readonly entry: Entry;
  readonly detail: ReadonlySignal<Detail>;
}

/** The chart library comes only where charts are. */
const Plots = lazy<Props>(async () => (await import("./plots.tsx")).Plots);

/** History of the host. */
export function Charts(props: Props): JSX.Element {
  return (
    <section class="history" aria-label={text.value.history}>
      <Plots {...props} />
    </section>
  );
}
