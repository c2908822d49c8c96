import { clone, create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { diff } from "../../../proto/delta.ts";
import {
  type Delta,
  EventSchema,
  type EventSchema as EventType,
  HostSchema,
  IdleSchema,
  SentenceSchema,
  Link as WireLink,
  type Sentence as WireSentence,
} from "../../../proto/gen/feed_pb.js";
import { type HostInfo, HostInfoSchema } from "../../../proto/gen/host_pb.js";
import { glance } from "../../../proto/glance.ts";
import { keysOf } from "../../../proto/verdict.ts";
import type { HostLink, LiveHost } from "../../live.ts";
import { type Mask, noticesFor } from "../../privacy.ts";
import { isHistoryOnly } from "../../reason.ts";
import { type Sentence, textOf } from "../../sentence.ts";
import type { HubView } from "../view.ts";
import { outline } from "./outline.ts";

/** What the encoder reads. */
export interface EncoderInput extends Pick<HubView, "live" | "clock" | "instance" | "interval"> {
  /** Name of the script that the page is built into; "" while there is none. */
  readonly page: () => string;
  /** Removes the people from what is encoded. */
  readonly mask?: Mask | undefined;
}

type IdleInit = MessageInitShape<typeof IdleSchema>;

/** A host as viewers know it. */
interface SentHost {
  readonly host: LiveHost;
  readonly info: HostInfo | undefined;
  /** By the index of the card in `info`. */
  readonly idle: readonly (IdleInit | undefined)[];
}

/** Encodes the live state as events. Viewers know what was sent; each step encodes what has changed since. */
export class FeedEncoder {
  readonly #input: EncoderInput;
  readonly #sent = new Map<number, SentHost>();
  #sequence = 0n;
  #page: string;

  constructor(input: EncoderInput) {
    this.#input = input;
    this.#page = input.page();
  }

  /** Encodes everything as of the last step, for a new viewer. */
  whole(): Uint8Array {
    const { mask, page } = this.#input;
    return this.#event({ whole: true, hosts: [...this.#sent.values()].map((sent) => wire(sent, mask)), page: page() });
  }

  /** Encodes what changed since the previous step; an empty event shows that the hub is alive. */
  step(): Uint8Array {
    const { mask } = this.#input;
    mask?.learn();
    const hosts: MessageInitShape<typeof HostSchema>[] = [];
    const deltas: Delta[] = [];
    const gone = new Set(this.#sent.keys());
    for (const host of this.#input.live.hosts()) {
      const before = this.#sent.get(host.number);
      gone.delete(host.number);
      if (before?.host === host) continue;
      const told = toldOf(host);
      if (told.info !== undefined) mask?.report(told.info, waits(host));
      this.#sent.set(host.number, told);
      const delta = before && change(before, told);
      if (delta) deltas.push(delta);
      else hosts.push(wire(told, mask));
    }
    for (const number of gone) this.#sent.delete(number);
    this.#sequence++;
    const page = this.#input.page();
    const newer = page === this.#page ? {} : { page };
    this.#page = page;
    return this.#event({ hosts, deltas, removed: [...gone], ...newer });
  }

  #event(init: MessageInitShape<typeof EventType>): Uint8Array {
    const { live, clock, instance, interval, mask } = this.#input;
    const messages = noticesFor(live.messages(), mask);
    const event = create(EventSchema, {
      ...init,
      sequence: this.#sequence,
      now: BigInt(clock.now()),
      notices: messages.map(textOf),
      noticeSentences: messages.map((words) => wireSentence(typeof words === "string" ? undefined : words)),
      hub: instance,
      interval: interval(),
    });
    return toBinary(EventSchema, event);
  }
}

/** Encodes a feed.Host with the whole last report, for the page of the host. @param mask removes the people from it */
export function detail(host: LiveHost, mask?: Mask): Uint8Array {
  const sent = { host, info: host.info, idle: idleOf(host) };
  if (mask !== undefined && host.info !== undefined) {
    sent.info = clone(HostInfoSchema, host.info);
    mask.report(sent.info, waits(host));
  }
  return toBinary(HostSchema, create(HostSchema, wire(sent, mask)));
}

const waits = ({ profile }: LiveHost): boolean => profile?.waiting === true;

/** What the feed says of a host. */
const toldOf = (host: LiveHost): SentHost =>
  waits(host)
    ? { host, info: host.info && outline(host.info), idle: [] }
    : { host, info: host.info && glance(host.info), idle: idleOf(host) };

/** The new numbers of a host; undefined if something else changed. */
function change(before: SentHost, after: SentHost): Delta | undefined {
  const { link, address, name, number, seen } = after.host;
  if (before.info === undefined || after.info === undefined || seen === undefined) return undefined;
  if (before.host.link !== link || before.host.address !== address || before.host.name !== name) return undefined;
  if (before.host.profile !== after.host.profile) return undefined;
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

function idleOf({ info, idle }: LiveHost): (IdleInit | undefined)[] {
  if (info === undefined || idle === undefined || idle.size === 0) return [];
  return keysOf(info.gpus).map((key, card): IdleInit | undefined => {
    const one = idle.get(key);
    return one && { card, since: BigInt(one.since), orLonger: one.orLonger };
  });
}

const links: Readonly<Record<HostLink["state"], WireLink>> = {
  idle: WireLink.IDLE,
  dialling: WireLink.DIALLING,
  open: WireLink.OPEN,
  waiting: WireLink.WAITING,
};

function wire({ host, info, idle }: SentHost, mask: Mask | undefined): MessageInitShape<typeof HostSchema> {
  const { number, name, address, link, seen, profile } = host;
  const { shown, group, labels, intervalSec, waiting } = profile ?? {};
  const text = (held: string): string => mask?.text(held, waiting === true) ?? held;
  return {
    number,
    name,
    address,
    link: isHistoryOnly(link) ? WireLink.HISTORY : links[link.state],
    since: BigInt(link.since),
    ...reasonOf(link, text),
    ...(seen === undefined ? {} : { seen: BigInt(seen) }),
    ...(info === undefined ? {} : { info }),
    idle: idle.filter((one) => one !== undefined),
    ...(shown === undefined ? {} : { shown }),
    ...(group === undefined ? {} : { group }),
    ...(labels === undefined ? {} : { labels: mapValues(labels, text) }),
    ...(intervalSec === undefined ? {} : { interval: intervalSec }),
    ...(waiting === undefined ? {} : { waiting }),
  };
}

/** Why a host is down, as far as the viewer may see it. */
function reasonOf(
  link: HostLink,
  text: (held: string) => string,
): Pick<MessageInitShape<typeof HostSchema>, "reason" | "cause"> {
  if (link.state !== "waiting") return {};
  const reason = text(link.reason);
  return { reason, ...(link.cause !== undefined && reason !== "" && { cause: wireSentence(link.cause, text) }) };
}

/** @param said undefined for a text that is no sentence of the hub @param text masks the texts among the values */
function wireSentence(said: Sentence | undefined, text = (held: string): string => held): WireSentence {
  const all = Object.entries(said?.values ?? {});
  return create(SentenceSchema, {
    code: said?.code ?? "",
    texts: Object.fromEntries(
      all.flatMap(([name, value]) => (typeof value === "string" ? [[name, isCode(name) ? value : text(value)]] : [])),
    ),
    numbers: Object.fromEntries(all.flatMap(([name, value]) => (typeof value === "number" ? [[name, value]] : []))),
  });
}

/** Codes of sentences among the values. */
const isCode = (name: string): boolean => name.endsWith(".code");

const mapValues = (texts: Readonly<Record<string, string>>, change: (text: string) => string): Record<string, string> =>
  Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, change(text)]));
