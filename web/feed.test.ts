import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { type Event, EventSchema } from "../proto/gen/feed_pb.js";
import type { StreamListener } from "./ask.ts";
import { type Connection, type FeedFollower, followFeed } from "./feed.ts";

interface Line extends StreamListener {
  closed: boolean;
}

/** A hub, a clock and a network that do what a test says. */
class World {
  now = 1_000_000;
  readonly lines: Line[] = [];
  readonly taken: { event: Event; elapsed: number }[] = [];
  readonly states: Connection[] = [];
  readonly #timers = new Set<{ at: number; call: () => void }>();
  readonly following: FeedFollower;
  refuse = false;

  constructor() {
    this.following = followFeed({
      open: (listener) => {
        const line = { ...listener, closed: false };
        this.lines.push(line);
        return () => {
          line.closed = true;
        };
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
      take: (event, elapsed) => {
        if (this.refuse) throw new Error("does not fit");
        this.taken.push({ event, elapsed });
      },
      change: (connection) => this.states.push(connection),
    });
  }

  get line(): Line {
    const last = this.lines.at(-1);
    if (last === undefined) throw new Error("nobody dialled");
    return last;
  }

  get state(): Connection {
    return this.states.at(-1) ?? { state: "opening", since: 0 };
  }

  say(sequence: number, rest: { whole?: boolean; hub?: string; interval?: number } = {}): void {
    this.line.piece(words(sequence, rest));
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

function words(sequence: number, rest: { whole?: boolean; hub?: string; interval?: number } = {}): string {
  const event = create(EventSchema, { sequence: BigInt(sequence), hub: "h", interval: 10, ...rest });
  return `data: ${Buffer.from(toBinary(EventSchema, event)).toString("base64")}\n\n`;
}

test("events in order are taken and the connection is live", () => {
  const world = new World();
  world.say(4, { whole: true });
  world.say(5);
  expect(world.taken.map(({ event }) => event.sequence)).toEqual([4n, 5n]);
  expect(world.state.state).toBe("live");
});

test("a gap in the numbers asks for everything again, and nothing that does not fit is taken", () => {
  const world = new World();
  world.say(4, { whole: true });
  world.say(6);
  expect(world.taken).toHaveLength(1);
  expect(world.state).toMatchObject({ state: "lost", reason: "garbled" });
  expect(world.lines[0]?.closed).toBe(true);
  world.pass(1000);
  expect(world.lines).toHaveLength(2);
  world.say(9, { whole: true });
  expect(world.state.state).toBe("live");
});

test("an event of another hub does not followFeed, though its number would", () => {
  const world = new World();
  world.say(4, { whole: true });
  world.say(5, { hub: "other" });
  expect(world.state).toMatchObject({ state: "lost" });
});

test("what cannot be decoded or applied asks for everything again", () => {
  const world = new World();
  world.say(1, { whole: true });
  world.line.piece("data: !!!\n\n");
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
    world.line.ended("closed");
    const before = world.lines.length;
    world.pass(12_500);
    expect(world.lines.length).toBe(before + 1);
  }
  expect(world.states.filter(({ state }) => state === "lost")).toHaveLength(1);
});

test("waking dials at once instead of waiting for the pause to end", () => {
  const world = new World();
  for (let i = 0; i < 6; i++) {
    world.line.ended("closed");
    world.pass(12_500);
  }
  world.line.ended("closed");
  const before = world.lines.length;
  world.following.wake();
  expect(world.lines.length).toBe(before + 1);
});

test("a page that slept finds its connection dead when it wakes", () => {
  const world = new World();
  world.say(1, { whole: true });
  world.now += 3_600_000;
  world.following.wake();
  expect(world.lines).toHaveLength(2);
});

test("an old connection's late words and errors are not heard", () => {
  const world = new World();
  world.say(1, { whole: true });
  const [old] = world.lines;
  old?.ended("closed");
  world.pass(1000);
  world.say(7, { whole: true });
  old?.ended("closed");
  old?.piece("data: !!!\n\n");
  expect(world.state.state).toBe("live");
});

test("an event that comes in pieces is taken when it is whole, however they are cut", () => {
  const world = new World();
  const all = `retry: 2000\n${words(4, { whole: true })}${words(5)}`;
  for (const letter of all) world.line.piece(letter);
  expect(world.taken.map(({ event }) => event.sequence)).toEqual([4n, 5n]);
});

test("a line that takes minutes for the first event is not silent: it brings bytes all the while", () => {
  const world = new World();
  world.line.began();
  const all = words(1, { whole: true });
  for (const letter of all) {
    world.pass(15_000);
    world.line.piece(letter);
  }
  expect(world.lines).toHaveLength(1);
  expect(world.state.state).toBe("live");
  expect(world.taken[0]?.elapsed).toBe(15_000 * all.length);
});

test("a page that nobody looks at closes its connection, asks for nothing, and does not call what it has live", () => {
  const world = new World();
  world.say(1, { whole: true });
  const heard = world.now;
  world.pass(3000);
  world.following.rest();
  expect(world.lines[0]?.closed).toBe(true);
  world.pass(3_600_000);
  expect(world.lines).toHaveLength(1);
  expect(world.state).toEqual({ state: "opening", since: heard });
  world.following.wake();
  expect(world.lines).toHaveLength(2);
  expect(world.state.state).toBe("opening");
  world.say(9, { whole: true });
  expect(world.state.state).toBe("live");
});

test("a lost hub is not asked for while nobody looks, and at once when somebody does", () => {
  const world = new World();
  world.line.ended("closed");
  world.following.rest();
  world.pass(600_000);
  expect(world.lines).toHaveLength(1);
  expect(world.state.state).toBe("lost");
  world.following.wake();
  expect(world.lines).toHaveLength(2);
});

test("a hub that cannot be reached after a rest is lost since it was last heard", () => {
  const world = new World();
  world.say(1, { whole: true });
  const heard = world.now;
  world.following.rest();
  world.pass(60_000);
  world.following.wake();
  world.line.ended("closed");
  expect(world.state).toEqual({ state: "lost", since: heard, reason: "closed" });
});

test("a sign-in that something in front of the hub asks for is a loss of its own, since the last event", () => {
  const world = new World();
  world.say(1, { whole: true });
  const heard = world.now;
  world.line.ended("closed");
  world.pass(1000);
  world.line.ended("sign-in");
  expect(world.state).toEqual({ state: "lost", since: heard, reason: "sign-in" });
  world.pass(12_500);
  world.say(9, { whole: true });
  expect(world.state.state).toBe("live");
});
