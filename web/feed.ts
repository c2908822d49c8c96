import { fromBinary } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { type Event, EventSchema } from "../proto/gen/feed_pb.js";
import type { Listener } from "./ask.ts";

/**
 * The page's connection to its hub. `opening` also after a time when nobody looked: only what is `live` may be shown as
 * what is so now. Times in milliseconds of the viewer's own clock.
 */
export type Connection =
  | { readonly state: "opening"; readonly since: number }
  | { readonly state: "live"; readonly since: number }
  | { readonly state: "lost"; readonly since: number; readonly reason: Loss };

/**
 * Why the page has no live connection: closed by the network, silent for too long, events that do not fit, or something
 * in front of the hub that asks for a sign-in.
 */
export type Loss = "closed" | "silent" | "garbled" | "sign-in";

interface Clock {
  now(): number;
  /** Calls back once after so many milliseconds; the answer calls it off. */
  after(milliseconds: number, call: () => void): () => void;
}

export interface Follow {
  /** Opens a connection; the answer closes it. */
  open(listener: Listener): () => void;
  readonly clock: Clock;
  /** From 0 to 1. */
  random(): number;
  /**
   * @param elapsed Milliseconds since the hub began to answer.
   * @throws when the event does not fit what was taken before: everything is asked for again.
   */
  take(event: Event, elapsed: number): void;
  change(connection: Connection): void;
}

export interface Following {
  /** Tries again at once: the network came back, or somebody looks at the page. */
  wake(): void;
  /** Closes the connection until wake(): browsers hold six to one host, over all tabs, and nobody looks at this one. */
  rest(): void;
}

/** Milliseconds without a byte after which a connection counts as dead. The hub speaks every 15 s whatever happens. */
const silence = (interval: number): number => Math.min(35_000, Math.max(3 * interval * 1000, 20_000));
const firstSilence = 20_000;
const longestPause = 10_000;
/** Longest event in characters; no hub sends a longer one. */
const longest = 64_000_000;

function decode(data: string): Event {
  return fromBinary(EventSchema, base64Decode(data));
}

/**
 * Follows the hub's events for as long as somebody looks. EventSource tells of whole events only, so that a slow line
 * looks like a dead one, gives up on an HTTP error and cannot tell a sign-in from it; so the stream is read here.
 */
export function follow({ open, clock, random, take, change }: Follow): Following {
  let close: (() => void) | undefined;
  let connection: Connection = { state: "opening", since: clock.now() };
  let sequence: bigint | undefined;
  let hub = "";
  let interval = 0;
  /** When the last byte came, and when the last event had come whole. */
  let stirred = clock.now();
  let heard = stirred;
  let begun = stirred;
  let text = "";
  let failures = 0;
  let watch = (): void => {};
  let retry = (): void => {};

  const become = (next: Connection): void => {
    connection = next;
    change(next);
  };

  const limit = (): number => (interval > 0 ? silence(interval) : firstSilence);

  const hangUp = (): void => {
    close?.();
    close = undefined;
    text = "";
    watch();
    retry();
  };

  const lose = (reason: Loss): void => {
    hangUp();
    if (connection.state !== "lost" || connection.reason !== reason) {
      become({ state: "lost", since: connection.state === "live" ? heard : connection.since, reason });
    }
    const pause = Math.min(longestPause, 500 * 2 ** failures);
    failures++;
    retry = clock.after(pause * (0.75 + random() / 2), dial);
  };

  const guard = (): void => {
    stirred = clock.now();
    watch();
    watch = clock.after(limit(), () => lose("silent"));
  };

  const hear = (data: string): void => {
    const event = decode(data);
    const follows = event.whole || (hub === event.hub && sequence !== undefined && event.sequence === sequence + 1n);
    if (!follows) throw new Error("an event is missing");
    take(event, clock.now() - begun);
    ({ sequence, hub } = event);
    if (event.interval > 0) interval = event.interval;
    heard = clock.now();
    failures = 0;
    if (connection.state !== "live") become({ state: "live", since: heard });
  };

  const read = (piece: string): void => {
    let from = Math.max(0, text.length - 1);
    text += piece;
    try {
      for (let end = text.indexOf("\n\n", from); end >= 0; end = text.indexOf("\n\n")) {
        const data = /^data: ?(.*)$/m.exec(text.slice(0, end))?.[1];
        text = text.slice(end + 2);
        from = 0;
        if (data !== undefined) hear(data);
      }
      if (text.length > longest) throw new Error("an event without end");
    } catch {
      // Nothing is lost: the next connection begins with everything.
      lose("garbled");
      return;
    }
    guard();
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
        guard();
      }),
      piece: only(read),
      ended: only(lose),
    });
    close = () => {
      mine = false;
      hang();
    };
    guard();
  };

  change(connection);
  dial();
  return {
    wake() {
      // A sleeping page's timers stood still: silence is judged by the clock.
      if (close !== undefined && clock.now() - stirred > limit()) lose("silent");
      if (close === undefined) dial();
    },
    rest() {
      hangUp();
      failures = 0;
      // What is shown when somebody looks again is from before, until the hub has spoken.
      if (connection.state === "live") become({ state: "opening", since: heard });
    },
  };
}
