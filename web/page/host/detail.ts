import { fromBinary } from "@bufbuild/protobuf";
import { effect, type ReadonlySignal, type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { HostSchema } from "../../../proto/gen/feed_pb.js";
import type { HostInfo } from "../../../proto/gen/host_pb.js";
import { fetchBytes } from "../../ask.ts";
import { errorText } from "../../language.ts";
import { fleet, type HostEntry } from "../../store.ts";

/** Last answer of a host in full. The feed contains only what is drawn of every host. */
export interface HostDetail {
  readonly info: HostInfo | undefined;
  /** Why `info` is missing or old; "" if it is current, or being loaded. */
  readonly error: string;
}

/** A failed request is repeated after so long, or with the host's next answer if that is earlier. */
const retryMs = 5000;

/** Loads the detail of a host, and again whenever the feed reports an answer, which it does only while the tab is visible. */
export function useDetail(entry: HostEntry): ReadonlySignal<HostDetail> {
  const detail = useSignal<HostDetail>({ info: undefined, error: "" });
  useEffect(() => follow(entry, detail), [entry]);
  return detail;
}

function follow(entry: HostEntry, detail: Signal<HostDetail>): () => void {
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
      const next = await fetchDetail(entry.name, stop.signal).catch(
        (reason: unknown): HostDetail => ({ info: detail.peek().info, error: errorText(reason) }),
      );
      if (!stop.signal.aborted) detail.value = next;
    }
    busy = false;
    if (detail.peek().error !== "" && !stop.signal.aborted) timer = setTimeout(retry, retryMs);
  };
  const retry = (): void => {
    // No requests while the feed is closed: when it is back it reports every host.
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

/** @throws SignIn, or Error if the hub cannot be reached or refuses. */
async function fetchDetail(name: string, stop: AbortSignal): Promise<HostDetail> {
  const answer = await fetchBytes(`feed/host?${new URLSearchParams({ name })}`, "application/x-protobuf", stop);
  return { info: fromBinary(HostSchema, answer).info, error: "" };
}
