import { fromBinary } from "@bufbuild/protobuf";
import { effect, type ReadonlySignal, type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { HostSchema } from "../../../proto/gen/feed_pb.js";
import type { HostInfo } from "../../../proto/gen/host_pb.js";
import type { Entry } from "../../store.ts";

/** All that a host said last: the feed tells of every host only what is drawn of all. */
export interface Detail {
  readonly info: HostInfo | undefined;
  /** Why `info` is none, or an old one; "" while it is what the feed tells of, or is being asked for. */
  readonly fault: string;
}

/** What the hub has at hand is not waited for longer. Milliseconds. */
const patience = 5000;

/** Asked for anew whenever the feed says that the host has answered. */
export function useDetail(entry: Entry): ReadonlySignal<Detail> {
  const detail = useSignal<Detail>({ info: undefined, fault: "" });
  useEffect(() => follow(entry, detail), [entry]);
  return detail;
}

function follow(entry: Entry, detail: Signal<Detail>): () => void {
  const stop = new AbortController();
  let busy = false;
  let again = false;
  const load = async (): Promise<void> => {
    again = true;
    if (busy) return;
    busy = true;
    while (again && !stop.signal.aborted) {
      again = false;
      const next = await ask(entry.host.peek().name, stop.signal).catch(
        (reason: unknown): Detail => ({ info: detail.peek().info, fault: String(reason) }),
      );
      if (!stop.signal.aborted) detail.value = next;
    }
    busy = false;
  };
  const end = effect(() => {
    entry.tick.value;
    load();
  });
  return () => {
    end();
    stop.abort();
  };
}

/** @throws Error when the hub cannot be asked, or refuses. */
async function ask(name: string, stop: AbortSignal): Promise<Detail> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(patience)]);
  const answer = await fetch(`feed/host?${new URLSearchParams({ name })}`, { signal });
  if (!answer.ok) throw new Error(`${answer.status} ${(await answer.text()).slice(0, 200)}`);
  return { info: fromBinary(HostSchema, new Uint8Array(await answer.arrayBuffer())).info, fault: "" };
}
