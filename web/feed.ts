import { fromBinary } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { type Event, EventSchema } from "../proto/gen/feed_pb.js";
import type { StreamListener } from "./ask.ts";

/**
 * The page's connection to its hub. It is `opening`, too, when a hidden tab becomes visible: only values of a `live`
 * connection are current. Times are milliseconds of the viewer's own clock.
 */
export type Connection =
  | { readonly state: "opening"; readonly since: number }
  | { readonly state: "live"; readonly since: number }
  | { readonly state: "lost"; readonly since: number; readonly reason: LossReason };

/**
 * Why the page has no live connection: closed by the network, silent for too long, inconsistent events, sign-in required
 * by a proxy in front of the hub, or by the hub itself.
 */
export type LossReason = "closed" | "silent" | "garbled" | "sign-in" | "signed-out";

interface Clock {
  now(): number;
  /** Calls back once after a delay in milliseconds. Returns a function that cancels it. */
  after(milliseconds: number, call: () => void): () => void;
}

export interface FeedOptions {
  /** Opens a connection. Returns a function that closes it. */
  open(listener: StreamListener): () => void;
  readonly clock: Clock;
  /** Random number from 0 to 1. */
  random(): number;
  /**
   * @param elapsed Milliseconds since the hub began to answer.
   * @throws if the event does not fit the current state: the feed is then opened again, from a snapshot.
   */
  take(event: Event, elapsed: number): void;
  change(connection: Connection): void;
}

export interface FeedFollower {
  /** Connects at once if there is no connection: the network is back, or the tab is visible. */
  wake(): void;
  /** Closes the connection until wake(). Browsers allow six to one host over all tabs; a hidden tab needs none. */
  rest(): void;
}

/** Milliseconds without a byte after which a connection is dead. The hub sends something at least every 15 s. */
const silenceMs = (interval: number): number => Math.min(35_000, Math.max(3 * interval * 1000, 20_000));
const firstSilenceMs = 20_000;
const longestPauseMs = 10_000;
/** Longest event in characters, far beyond what a hub sends. */
const longestEvent = 64_000_000;

function decode(data: string): Event {
  return fromBinary(EventSchema, base64Decode(data));
}

/**
 * Follows the hub's events while the tab is visible. This does without EventSource, which reports only whole events, so
 * that a slow connection looks dead, stops at an HTTP error, and cannot detect that sign-in is required.
 */
export function followFeed({ open, clock, random, take, change }: FeedOptions): FeedFollower {
  let close: (() => void) | undefined;
  let connection: Connection = { state: "opening", since: clock.now() };
  let sequence: bigint | undefined;
  let hub = "";
  let interval = 0;
  /** Times of the last byte and of the last complete event. */
  let lastByte = clock.now();
  let lastEvent = lastByte;
  let begun = lastByte;
  let text = "";
  let failures = 0;
  let watch = (): void => {};
  let retry = (): void => {};

  const setConnection = (next: Connection): void => {
    connection = next;
    change(next);
  };

  const limit = (): number => (interval > 0 ? silenceMs(interval) : firstSilenceMs);

  const hangUp = (): void => {
    close?.();
    close = undefined;
    text = "";
    watch();
    retry();
  };

  const fail = (reason: LossReason): void => {
    hangUp();
    if (connection.state !== "lost" || connection.reason !== reason) {
      setConnection({ state: "lost", since: connection.state === "live" ? lastEvent : connection.since, reason });
    }
    const pause = Math.min(longestPauseMs, 500 * 2 ** failures);
    failures++;
    retry = clock.after(pause * (0.75 + random() / 2), dial);
  };

  const watchSilence = (): void => {
    lastByte = clock.now();
    watch();
    watch = clock.after(limit(), () => fail("silent"));
  };

  const receive = (data: string): void => {
    const event = decode(data);
    const follows = event.whole || (hub === event.hub && sequence !== undefined && event.sequence === sequence + 1n);
    if (!follows) throw new Error("an event is missing");
    take(event, clock.now() - begun);
    ({ sequence, hub } = event);
    if (event.interval > 0) interval = event.interval;
    lastEvent = clock.now();
    failures = 0;
    if (connection.state !== "live") setConnection({ state: "live", since: lastEvent });
  };

  const read = (piece: string): void => {
    let from = Math.max(0, text.length - 1);
    text += piece;
    try {
      for (let end = text.indexOf("\n\n", from); end >= 0; end = text.indexOf("\n\n")) {
        const data = /^data: ?(.*)$/m.exec(text.slice(0, end))?.[1];
        text = text.slice(end + 2);
        from = 0;
        if (data !== undefined) receive(data);
      }
      if (text.length > longestEvent) throw new Error("an event without end");
    } catch {
      // Nothing is lost: the next connection begins with everything.
      fail("garbled");
      return;
    }
    watchSilence();
  };

  const dial = (): void => {
    hangUp();
    sequence = undefined;
    let mine = true;
    const only =
      <T extends unknown[]>(call: (...words: T) => void) =>
      (...words: T): void => {
        if (mine) call(...words);
      };
    const hang = open({
      began: only(() => {
        begun = clock.now();
        watchSilence();
      }),
      piece: only(read),
      ended: only(fail),
    });
    close = () => {
      mine = false;
      hang();
    };
    watchSilence();
  };

  change(connection);
  dial();
  return {
    wake() {
      // Timers stop while the computer sleeps: the clock decides how long the hub has been silent.
      if (close !== undefined && clock.now() - lastByte > limit()) fail("silent");
      if (close === undefined) dial();
    },
    rest() {
      hangUp();
      failures = 0;
      // Values are old until the next event, when the tab is visible again.
      if (connection.state === "live") setConnection({ state: "opening", since: lastEvent });
    },
  };
}
