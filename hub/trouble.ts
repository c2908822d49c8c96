import { span } from "../proto/quantity.ts";
import type { FaultCode } from "./fault.ts";
import { type Sentence, speaker } from "./sentence.ts";

/** Size limit of a text, in bytes. */
const textLimit = 512;
/** Most texts of one host, and most hosts with texts: machines choose names and cause troubles. */
const mostTexts = 8;
const mostHosts = 1024;

/** What may be wrong with the reports of a host. The page has each sentence in its languages (`SaidText.troubles`). */
const rows = {
  clock_ahead: ({ skewMs }: { readonly skewMs: number }) => skewText(`${Math.round(skewMs / 1000)} s ahead of`),
  clock_behind: ({ skewMs }: { readonly skewMs: number }) => skewText(`${Math.round(skewMs / 1000)} s behind`),
  clock_wrong: () => "Its clock differs by more than a day from the hub's, which dates its reports.",
  /** With the beginnings of two boot ids. */
  second_machine: ({ first, second }: { readonly first: string; readonly second: string }) =>
    `Two machines report as this host at the same time (boot ids ${first}… and ${second}…): only the first is used. Give each its own host name and token.`,
  report_refused: ({ message }: { readonly fault: FaultCode; readonly message: string }) =>
    `A report was refused: ${message}`,
  too_much: () => "It sends more than the hub takes of one machine.",
  at_once: () => "It sends reports at the same time, not one after the other.",
  /** `left` is how many devices of the last report were left out. */
  too_many_devices: ({ most, left }: { readonly most: number; readonly left: number }) =>
    `It reported more than ${most} devices in a day (push.devices): ${left} of the last report were left out.`,
  same_ids: ({ more, gpus }: { readonly more: number; readonly gpus: number }) =>
    `In its last report ${more} of ${gpus} GPUs have the id of another one: the first one counts.`,
  large_report: ({ kib }: { readonly kib: number }) => `Its last report had ${kib} KiB, far more than usual.`,
  moved: ({ origin, before }: { readonly origin: string; readonly before: string }) =>
    `After its token was reset, it registered from ${origin}; before, it was at ${before}. If you do not know the new address, reset the token again.`,
  name_asked: ({ origin, hostname }: { readonly origin: string; readonly hostname: string }) =>
    `A machine at ${origin} asked to register as "${hostname}", which is a name of this host. If it is this machine and has lost its token, reset the token; if not, give it another host name.`,
  /** As `name_asked`, of a host that is a client of the logger. */
  client_name_asked: ({ origin, hostname }: { readonly origin: string; readonly hostname: string }) =>
    `A machine at ${origin} asked to register as "${hostname}", which is the name of this client of the logger. If it is this machine, open the name for its agent (gohm node reset); if not, give it another host name.`,
  by_turns: ({ one, other }: { readonly one: string; readonly other: string }) =>
    `Its reports come from ${one} and ${other} by turns: if these are two machines with one token, give each a host name and a token of its own.`,
  names_by_turns: ({ one, other }: { readonly one: string; readonly other: string }) =>
    `Records under its name come from ${one} and ${other} by turns: if these are two machines, give each a client_name of its own.`,
  /** `zone` is the hub's time zone. */
  records_ahead: ({ differenceMs, zone }: { readonly differenceMs: number; readonly zone: string }) =>
    `Its records are ${span(differenceMs / 1000)} ahead of the hub's clock in the time zone ${zone}: they are dated as if they were right by that. Set hub.timezone to the zone of its clients, or correct the clock of the machine.`,
  records_behind: ({ differenceMs, zone }: { readonly differenceMs: number; readonly zone: string }) =>
    `Its records are ${span(differenceMs / 1000)} behind the hub's clock in the time zone ${zone}: current ones are dated as if they were right by that. Set hub.timezone to the zone of its clients, or correct the clock of the machine.`,
  records_old: ({ differenceMs, zone }: { readonly differenceMs: number; readonly zone: string }) =>
    `Its newest record is ${span(differenceMs / 1000)} old by the hub's clock in the time zone ${zone}: history has the records at the times that they name. If they are current, set hub.timezone to the zone of its clients, or correct the clock of the machine.`,
  /** `example` is what is wrong with one of them. */
  bad_records: ({ failed, example }: { readonly failed: number; readonly example: string }) =>
    `${failed} of the records in its last request could not be taken: ${example}.`,
  records_elsewhere: ({ origin, hostname }: { readonly origin: string; readonly hostname: string }) =>
    `A client of the logger at ${origin} sends records under the name "${hostname}", which are refused: this machine has registered with a token and reports from elsewhere. If it is another machine, give it another client_name; if not, it needs a token of scope push.`,
  records_too_large: ({ mib }: { readonly mib: string }) =>
    `Its last request with records was larger than ${mib} (push.body) and is refused again each time: allow larger ones.`,
  records_too_many: ({ most }: { readonly most: number }) =>
    `Its last request had more than ${most} records: those after them were refused, and are again each time. Let it send fewer at once, or import them as CSV.`,
  /** `names` are those of other hosts, in quotation marks. */
  lookalike: ({ names }: { readonly names: string }) =>
    `Its name looks like that of another host (${names}): check its address before you approve it.`,
  /** `until` is the time of the newest sample, in Unix milliseconds. */
  other_history: ({ hostname, until }: { readonly hostname: string; readonly until: number }) =>
    `History has samples under the name "${hostname}" already, of an import or of another machine, until ${utc(until)}. Those of this machine are shown only, and not kept, until it is approved; from then on they are added.`,
  /** As `other_history`, of a client of the logger, which loses nothing while it waits. */
  client_history: ({ hostname, until }: { readonly hostname: string; readonly until: number }) =>
    `History has samples under the name "${hostname}" already, of an import or of another machine, until ${utc(until)}. Records of this client are only shown until it is approved: it keeps them, and sends all of them then.`,
} as const;

const utc = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;

const skewText = (differs: string): string =>
  `Its clock is ${differs} the hub's: its current reports are dated by the hub's clock, and late ones have wrong times.`;

export type TroubleRows = typeof rows;

/** Makes a trouble. */
export const trouble = speaker(rows, { limit: textLimit });

interface Held {
  readonly sentence: Sentence;
  /** Unix milliseconds. */
  readonly until: number;
}

/**
 * What is wrong with the reports of hosts, for administrators. Inputs and ingest write it, views read it. Bounded: the oldest
 * give way to new ones.
 */
export class Troubles {
  readonly #now: () => number;
  /** By host and topic, the newest last. */
  readonly #hosts = new Map<string, Map<string, Held>>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * Sets the trouble of a topic of a host; undefined removes it.
   * @param lastsMs after which it is removed by itself
   */
  set(host: string, topic: string, sentence: Sentence | undefined, lastsMs = Number.POSITIVE_INFINITY): void {
    const before = this.#hosts.get(host);
    if (sentence === undefined) {
      if (before?.delete(topic) === true && before.size === 0) this.#hosts.delete(host);
      return;
    }
    const topics = before ?? new Map<string, Held>();
    this.#hosts.delete(host);
    this.#hosts.set(host, topics);
    topics.delete(topic);
    topics.set(topic, { sentence, until: this.#now() + lastsMs });
    shorten(topics, mostTexts);
    shorten(this.#hosts, mostHosts);
  }

  /** The English texts of the troubles of a host, the newest last. */
  of(host: string): string[] {
    return this.sentences(host).map(({ text }) => text);
  }

  /** The troubles of a host, the newest last. */
  sentences(host: string): readonly Sentence[] {
    const now = this.#now();
    const topics = this.#hosts.get(host);
    for (const [topic, { until }] of topics ?? []) if (until <= now) this.set(host, topic, undefined);
    return [...(topics?.values() ?? [])].map(({ sentence }) => sentence);
  }

  /** Removes everything of a host. */
  forget(host: string): void {
    this.#hosts.delete(host);
  }
}

/** Troubles as views see them. */
export type TroublesView = Pick<Troubles, "of" | "sentences">;

/** Removes the oldest entries beyond a limit. */
function shorten(entries: Map<string, unknown>, limit: number): void {
  for (const oldest of entries.keys()) {
    if (entries.size <= limit) return;
    entries.delete(oldest);
  }
}
