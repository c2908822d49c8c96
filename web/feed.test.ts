import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { type Event, EventSchema } from "../proto/gen/feed_pb.js";
import { type Connection, type Following, follow, type Stream } from "./feed.ts";

/** A hub, a clock and a network that do what a test says. */
class World {
  now = 1_000_000;
  readonly streams: (Stream & { closed: boolean })[] = [];
  readonly taken: Event[] = [];
  readonly states: Connection[] = [];
  readonly #timers = new Set<{ at: number; call: () => void }>();
  readonly following: Following;
  refuse = false;

  constructor() {
    this.following = follow({
      open: () => {
        const stream = { onmessage: null, onerror: null, closed: false, close: () => {} } as Stream & {
          closed: boolean;
        };
        stream.close = () => {
          stream.closed = true;
        };
        this.streams.push(stream);
        return stream;
      },
      clock: {
        now: () => this.now,
        after: (milliseconds, call) => {
          const timer = { at: this.now + milliseconds, call };
          this.#timers.add(timer);
          return () => this.#timers.delete(timer);
        },
      },
      random: () => 0.5,
      take: (event) => {
        if (this.refuse) throw new Error("does not fit");
        this.taken.push(event);
      },
      change: (connection) => this.states.push(connection),
    });
  }

  get stream(): Stream & { closed: boolean } {
    const last = this.streams.at(-1);
    if (last === undefined) throw new Error("nobody dialled");
    return last;
  }

  get state(): Connection {
    return this.states.at(-1) ?? { state: "opening", since: 0 };
  }

  say(sequence: number, rest: { whole?: boolean; hub?: string; interval?: number } = {}): void {
    const event = create(EventSchema, { sequence: BigInt(sequence), hub: "h", interval: 10, ...rest });
    this.stream.onmessage?.({ data: Buffer.from(toBinary(EventSchema, event)).toString("base64") });
  }

  /** Lets time go by, and what is due happen. */
  pass(milliseconds: number): void {
    const end = this.now + milliseconds;
    for (;;) {
      const [next] = [...this.#timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.now = Math.max(this.now, next.at);
      next.call();
    }
    this.now = end;
  }
}

test("events in order are taken and the connection is live", () => {
  const world = new World();
  world.say(4, { whole: true });
  world.say(5);
  expect(world.taken.map(({ sequence }) => sequence)).toEqual([4n, 5n]);
  expect(world.state.state).toBe("live");
});

test("a gap in the numbers asks for everything again, and nothing that does not fit is taken", () => {
  const world = new World();
  world.say(4, { whole: true });
  world.say(6);
  expect(world.taken).toHaveLength(1);
  expect(world.state).toMatchObject({ state: "lost", reason: "garbled" });
  expect(world.streams[0]?.closed).toBe(true);
  world.pass(1000);
  expect(world.streams).toHaveLength(2);
  world.say(9, { whole: true });
  expect(world.state.state).toBe("live");
});

test("an event of another hub does not follow, though its number would", () => {
  const world = new World();
  world.say(4, { whole: true });
  world.say(5, { hub: "other" });
  expect(world.state).toMatchObject({ state: "lost" });
});

test("what cannot be decoded or applied asks for everything again", () => {
  const world = new World();
  world.say(1, { whole: true });
  world.stream.onmessage?.({ data: "!!!" });
  expect(world.state).toMatchObject({ state: "lost", reason: "garbled" });
  world.pass(1000);
  world.refuse = true;
  world.say(2, { whole: true });
  expect(world.state.state).toBe("lost");
});

test("a connection that falls silent is lost since the last word, though the network never said so", () => {
  const world = new World();
  world.say(1, { whole: true });
  const heard = world.now;
  world.pass(29_000);
  expect(world.state.state).toBe("live");
  world.pass(2000);
  expect(world.state).toEqual({ state: "lost", reason: "silent", since: heard });
});

test("a connection that never says a word is given up too", () => {
  const world = new World();
  world.pass(21_000);
  expect(world.state).toMatchObject({ state: "lost", reason: "silent" });
});

test("a hub that stays away is asked for ever, at most ten seconds and a quarter apart", () => {
  const world = new World();
  for (let i = 0; i < 200; i++) {
    world.stream.onerror?.();
    const before = world.streams.length;
    world.pass(12_500);
    expect(world.streams.length).toBe(before + 1);
  }
  expect(world.states.filter(({ state }) => state === "lost")).toHaveLength(1);
});

test("waking dials at once instead of waiting for the pause to end", () => {
  const world = new World();
  for (let i = 0; i < 6; i++) {
    world.stream.onerror?.();
    world.pass(12_500);
  }
  world.stream.onerror?.();
  const before = world.streams.length;
  world.following.wake();
  expect(world.streams.length).toBe(before + 1);
});

test("a page that slept finds its connection dead when it wakes", () => {
  const world = new World();
  world.say(1, { whole: true });
  world.now += 3_600_000;
  world.following.wake();
  expect(world.streams).toHaveLength(2);
});

test("an old connection's late words and errors are not heard", () => {
  const world = new World();
  world.say(1, { whole: true });
  const [old] = world.streams;
  old?.onerror?.();
  world.pass(1000);
  world.say(7, { whole: true });
  old?.onerror?.();
  old?.onmessage?.({ data: "!!!" });
  expect(world.state.state).toBe("live");
});

test("stopped, it dials no more", () => {
  const world = new World();
  world.say(1, { whole: true });
  world.following.stop();
  world.pass(600_000);
  expect(world.streams).toHaveLength(1);
});
