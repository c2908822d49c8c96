import { fromBinary } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { type Event, EventSchema } from "../proto/gen/feed_pb.js";

/** How the page stands with its hub. Times in milliseconds of the viewer's own clock. */
export type Connection =
  | { readonly state: "opening"; readonly since: number }
  | { readonly state: "live"; readonly since: number }
  | { readonly state: "lost"; readonly since: number; readonly reason: Loss };

/** Why the page has no live connection: closed by the network, silent for too long, or events that do not fit. */
export type Loss = "closed" | "silent" | "garbled";

/** The part of EventSource that is used here. */
export interface Stream {
  onmessage: ((message: { data: string }) => void) | null;
  onerror: (() => void) | null;
  close(): void;
}

interface Clock {
  now(): number;
  /** Calls back once after so many milliseconds; the answer calls it off. */
  after(milliseconds: number, call: () => void): () => void;
}

export interface Follow {
  open(): Stream;
  readonly clock: Clock;
  /** From 0 to 1. */
  random(): number;
  /** @throws when the event does not fit what was taken before: everything is asked for again. */
  take(event: Event): void;
  change(connection: Connection): void;
}

export interface Following {
  /** Tries again at once: the network came back, or the page was woken. */
  wake(): void;
  stop(): void;
}

/** Milliseconds without a word after which a connection counts as dead. The hub speaks every 15 s whatever happens. */
const silence = (interval: number): number => Math.min(35_000, Math.max(3 * interval * 1000, 20_000));
const firstSilence = 20_000;
const longestPause = 10_000;

function decode(data: string): Event {
  return fromBinary(EventSchema, base64Decode(data));
}

/**
 * Follows the hub's events for ever. EventSource's own reconnecting gives up on an HTTP error and never notices a
 * connection that went silent, so both are done here.
 */
export function follow({ open, clock, random, take, change }: Follow): Following {
  let stream: Stream | undefined;
  let connection: Connection = { state: "opening", since: clock.now() };
  let sequence: bigint | undefined;
  let hub = "";
  let interval = 0;
  let heard = clock.now();
  let failures = 0;
  let watch = (): void => {};
  let retry = (): void => {};

  const become = (next: Connection): void => {
    connection = next;
    change(next);
  };

  const lose = (reason: Loss): void => {
    stream?.close();
    stream = undefined;
    watch();
    if (connection.state !== "lost")
      become({ state: "lost", since: connection.state === "live" ? heard : clock.now(), reason });
    const pause = Math.min(longestPause, 500 * 2 ** failures);
    failures++;
    retry();
    retry = clock.after(pause * (0.75 + random() / 2), dial);
  };

  const guard = (): void => {
    watch();
    const limit = interval > 0 ? silence(interval) : firstSilence;
    watch = clock.after(limit, () => lose("silent"));
  };

  const hear = (data: string): void => {
    try {
      const event = decode(data);
      const follows = event.whole || (hub === event.hub && sequence !== undefined && event.sequence === sequence + 1n);
      if (!follows) throw new Error("an event is missing");
      take(event);
      ({ sequence, hub } = event);
      if (event.interval > 0) interval = event.interval;
    } catch {
      // Nothing is lost: the next connection begins with everything.
      lose("garbled");
      return;
    }
    heard = clock.now();
    failures = 0;
    if (connection.state !== "live") become({ state: "live", since: heard });
    guard();
  };

  const dial = (): void => {
    retry();
    sequence = undefined;
    const mine = open();
    stream = mine;
    mine.onmessage = ({ data }) => {
      if (stream === mine) hear(data);
    };
    mine.onerror = () => {
      if (stream === mine) lose("closed");
    };
    guard();
  };

  change(connection);
  dial();
  return {
    wake() {
      // A sleeping page's timers stood still: silence is judged by the clock.
      if (stream !== undefined && clock.now() - heard > (interval > 0 ? silence(interval) : firstSilence))
        lose("silent");
      if (stream === undefined) dial();
    },
    stop() {
      watch();
      retry();
      stream?.close();
      stream = undefined;
    },
  };
}
