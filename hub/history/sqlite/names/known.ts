import type { KnownDevice } from "../../store.ts";

interface NamedDevice extends Omit<KnownDevice, "host" | "metrics" | "index" | "name"> {
  readonly host: { readonly name: string };
  readonly index: number | undefined;
  readonly name: string | undefined;
  readonly metrics: ReadonlySet<string>;
}

/** A device as queries list it. There may be tens of thousands: spreading and copying would take twice the time. */
export function knownOf({ host, level, key, index, name, metrics, last }: NamedDevice): KnownDevice {
  const known: { -readonly [K in keyof KnownDevice]: KnownDevice[K] } = {
    host: host.name,
    level,
    key,
    metrics: listOf(metrics),
    last,
  };
  if (index !== undefined) known.index = index;
  if (name !== undefined) known.name = name;
  return known;
}

/** The metrics of devices as lists: a set of them only grows. */
const lists = new WeakMap<ReadonlySet<string>, readonly string[]>();

function listOf(metrics: ReadonlySet<string>): readonly string[] {
  const held = lists.get(metrics);
  if (held?.length === metrics.size) return held;
  const made = [...metrics];
  lists.set(metrics, made);
  return made;
}
