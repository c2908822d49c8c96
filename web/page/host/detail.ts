import { fromBinary } from "@bufbuild/protobuf";
import { effect, type ReadonlySignal, type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { HostSchema } from "../../../proto/gen/feed_pb.js";
import type { HostInfo } from "../../../proto/gen/host_pb.js";
import { bytes } from "../../ask.ts";
import { reasonOf } from "../../language.ts";
import { type Entry, fleet } from "../../store.ts";

/** All that a host said last: the feed tells of every host only what is drawn of all. */
export interface Detail {
  readonly info: HostInfo | undefined;
  /** Why `info` is absent or old; "" while it is what the feed tells of, or is being asked for. */
  readonly fault: string;
}

/** Milliseconds after which a failed request is repeated, where the next answer of the host does not come earlier. */
const pause = 5000;

/** Asked for again whenever the feed says that the host has answered, which it does only while somebody looks. */
export function useDetail(entry: Entry): ReadonlySignal<Detail> {
  const detail = useSignal<Detail>({ info: undefined, fault: "" });
  useEffect(() => follow(entry, detail), [entry]);
  return detail;
}

function follow(entry: Entry, detail: Signal<Detail>): () => void {
  const stop = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let busy = false;
  let again = false;
  const load = async (): Promise<void> => {
    again = true;
    if (busy) return;
    clearTimeout(timer);
    busy = true;
    while (again && !stop.signal.aborted) {
      again = false;
      const next = await ask(entry.name, stop.signal).catch(
        (reason: unknown): Detail => ({ info: detail.peek().info, fault: reasonOf(reason) }),
      );
      if (!stop.signal.aborted) detail.value = next;
    }
    busy = false;
    if (detail.peek().fault !== "" && !stop.signal.aborted) timer = setTimeout(retry, pause);
  };
  const retry = (): void => {
    // While the feed is away, or nobody looks, nothing is asked: it begins with every host when it is back.
    if (fleet.connection.peek().state === "live") load();
  };
  const end = effect(() => {
    entry.tick.value;
    load();
  });
  return () => {
    end();
    clearTimeout(timer);
    stop.abort();
  };
}

/** @throws Error when the hub cannot be asked, or refuses. */
async function ask(name: string, stop: AbortSignal): Promise<Detail> {
  const answer = await bytes(`feed/host?${new URLSearchParams({ name })}`, "application/x-protobuf", stop);
  return { info: fromBinary(HostSchema, answer).info, fault: "" };
}
