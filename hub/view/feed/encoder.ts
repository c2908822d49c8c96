import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { diff } from "../../../proto/delta.ts";
import {
  type Delta,
  EventSchema,
  type EventSchema as EventType,
  HostSchema,
  IdleSchema,
  Link as WireLink,
} from "../../../proto/gen/feed_pb.js";
import type { HostInfo } from "../../../proto/gen/host_pb.js";
import { glance } from "../../../proto/glance.ts";
import { keysOf } from "../../../proto/verdict.ts";
import type { Host, Link } from "../../live.ts";
import type { HubView } from "../view.ts";

/** What the encoder needs to see. */
export interface Scene extends Pick<HubView, "live" | "clock" | "hub" | "interval"> {
  /** Name of the script that the page is built into; "" while there is none. */
  readonly page: () => string;
}

type IdleInit = MessageInitShape<typeof IdleSchema>;

/** A host, and what viewers are told of its answer. */
interface Told {
  readonly host: Host;
  readonly info: HostInfo | undefined;
  /** By the card's place in `info`. */
  readonly idle: readonly (IdleInit | undefined)[];
}

/** Turns the live state into events. What it has told is what viewers know; each step tells what has changed since. */
export class Encoder {
  readonly #scene: Scene;
  readonly #told = new Map<number, Told>();
  #sequence = 0n;
  #page: string;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#page = scene.page();
  }

  /** Everything as of the last step, for a viewer that knows nothing. */
  whole(): Uint8Array {
    return this.#event({ whole: true, hosts: [...this.#told.values()].map(wire), page: this.#scene.page() });
  }

  /** What changed since the step before; an event with nothing in it says that the hub is there. */
  step(): Uint8Array {
    const hosts: MessageInitShape<typeof HostSchema>[] = [];
    const deltas: Delta[] = [];
    const gone = new Set(this.#told.keys());
    for (const host of this.#scene.live.hosts()) {
      const before = this.#told.get(host.number);
      gone.delete(host.number);
      if (before?.host === host) continue;
      const told = { host, info: host.info && glance(host.info), idle: idleOf(host) };
      this.#told.set(host.number, told);
      const delta = before && change(before, told);
      if (delta) deltas.push(delta);
      else hosts.push(wire(told));
    }
    for (const number of gone) this.#told.delete(number);
    this.#sequence++;
    const page = this.#scene.page();
    const newer = page === this.#page ? {} : { page };
    this.#page = page;
    return this.#event({ hosts, deltas, removed: [...gone], ...newer });
  }

  #event(init: MessageInitShape<typeof EventType>): Uint8Array {
    const { live, clock, hub, interval } = this.#scene;
    const event = create(EventSchema, {
      ...init,
      sequence: this.#sequence,
      now: BigInt(clock.now()),
      notices: live.notices(),
      hub,
      interval: interval(),
    });
    return toBinary(EventSchema, event);
  }
}

/** A feed.Host with all that the host said last, for the page of that host. */
export function detail(host: Host): Uint8Array {
  return toBinary(HostSchema, create(HostSchema, wire({ host, info: host.info, idle: idleOf(host) })));
}

/** The new numbers of a host of which nothing else changed, or undefined. */
function change(before: Told, after: Told): Delta | undefined {
  const { link, address, name, number, seen } = after.host;
  if (before.info === undefined || after.info === undefined || seen === undefined) return undefined;
  if (before.host.link !== link || before.host.address !== address || before.host.name !== name) return undefined;
  const delta = diff(before.info, after.info);
  if (delta === undefined) return undefined;
  delta.number = number;
  delta.seen = BigInt(seen);
  const cards = Math.max(before.idle.length, after.idle.length);
  for (let card = 0; card < cards; card++) {
    const was = before.idle[card];
    const is = after.idle[card];
    if (was?.since !== is?.since || was?.orLonger !== is?.orLonger)
      delta.idle.push(create(IdleSchema, is ?? { card, since: 0n }));
  }
  return delta;
}

function idleOf({ info, idle }: Host): (IdleInit | undefined)[] {
  if (info === undefined || idle === undefined || idle.size === 0) return [];
  return keysOf(info.gpus).map((key, card): IdleInit | undefined => {
    const one = idle.get(key);
    return one && { card, since: BigInt(one.since), orLonger: one.orLonger };
  });
}

const links: Readonly<Record<Link["state"], WireLink>> = {
  idle: WireLink.IDLE,
  dialling: WireLink.DIALLING,
  open: WireLink.OPEN,
  waiting: WireLink.WAITING,
};

function wire({ host, info, idle }: Told): MessageInitShape<typeof HostSchema> {
  const { number, name, address, link, seen } = host;
  return {
    number,
    name,
    address,
    link: links[link.state],
    since: BigInt(link.since),
    reason: link.state === "waiting" ? link.reason : "",
    ...(seen === undefined ? {} : { seen: BigInt(seen) }),
    ...(info === undefined ? {} : { info }),
    idle: idle.filter((one) => one !== undefined),
  };
}
