import type { ReadonlySignal } from "@preact/signals";
import type { JSX } from "preact";
import { text } from "../../language.ts";
import { lazy } from "../../part/lazy.tsx";
import type { HostEntry } from "../../store.ts";
import type { HostDetail } from "./detail.ts";

interface Props {
  readonly entry: HostEntry;
  readonly detail: ReadonlySignal<HostDetail>;
}

/** Loads the chart library with the first chart. */
const Plots = lazy<Props>(async () => (await import("./plots.tsx")).Plots);

/** Section with the history of the host. */
export function Charts(props: Props): JSX.Element {
  return (
    <section class="history" aria-label={text.value.history}>
      <Plots {...props} />
    </section>
  );
}
