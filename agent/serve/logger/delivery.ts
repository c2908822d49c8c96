import { clean } from "../../../proto/clean.ts";
import type { Log } from "../../source/source.ts";
import { describeAnswer, parseObject } from "../../upload/answer.ts";
import type { UploadAnswer, UploadRequest } from "../../upload/client.ts";
import { gapsOf, type LoggerRecord } from "./record.ts";

/** The server cannot be reached, or takes nothing at the moment: to be tried again. */
export class ServerUnavailable extends Error {}

export interface DeliveryOptions {
  /** Path to which records are sent. */
  readonly endpoint: string;
  /** The server's address for the log, without a password. */
  readonly server: string;
  /** Sent to the server; "" for none. */
  readonly token: string;
  /** Most records of one request. */
  readonly most: number;
  readonly log: Log;
  /** Milliseconds, monotonic. */
  readonly ticks: () => number;
  /** One exchange. @throws ServerUnavailable */
  readonly ask: (request: UploadRequest) => Promise<UploadAnswer>;
}

/** Records that the server refuses because readings are missing. */
interface Refused {
  /** True while such records are not even offered. */
  known: boolean;
  since: number;
  /** Number of records since the log named it last. */
  lost: number;
  told: number;
}

/** Milliseconds after which such records are offered again: the server may have been replaced in a moment that nobody noticed. */
const offerAgainMs = 600_000;
/** Milliseconds between two lines on how many were lost. */
const tellAgainMs = 3_600_000;

/** Outcome of one request: taken, refused because of what was sent, or too long. Everything else is a ServerUnavailable. */
type Outcome = "taken" | "refused" | "long";

/**
 * Hands records to the server. The first servers refuse a whole array for one record that lacks a reading, so an array that is
 * refused is sent again in parts, until only what is refused alone is left out (docs/decisions/0067-the-loggers-client.md).
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  /** Most records of one request, fewer after one was too long. */
  #most: number;
  /** By the missing readings. */
  readonly #refused = new Map<string, Refused>();
  #reason = "";
  /** True if the last array had records that the server could not use. */
  #unusable = false;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#most = options.most;
  }

  /** Called when the server was away: another one may be there now. */
  interrupted(): void {
    for (const [gaps, refused] of this.#refused) this.#offerAgain(gaps, refused, 0);
  }

  /**
   * Sends the first of these records, as many as one request may have, and removes those that are delivered or refused for good.
   * @throws ServerUnavailable; records that were delivered before are removed
   */
  async deliver(queue: Set<LoggerRecord>): Promise<void> {
    const { ticks } = this.#options;
    for (const [gaps, refused] of this.#refused) {
      if (refused.known && ticks() - refused.since >= offerAgainMs) this.#offerAgain(gaps, refused, tellAgainMs);
    }
    this.#discard(queue);
    const first = [...queue].slice(0, this.#most);
    if (first.length === 0) return;
    const outcome = await this.#send(queue, first);
    if (outcome === "refused") await this.#salvage(queue, first);
    if (outcome !== "long") return;
    this.#shorten(first.length);
    await this.deliver(queue);
  }

  /** Delivers what can be delivered of records that were refused together. */
  async #salvage(queue: Set<LoggerRecord>, records: readonly LoggerRecord[]): Promise<void> {
    const complete = records.filter((record) => gapsOf(record) === "");
    const together = complete.length < records.length && (await this.#send(queue, complete)) === "taken";
    if (!together) await this.#probe(queue, complete);
    await this.#split(queue, records);
  }

  /**
   * Finds out if the server takes complete records at all, so that they are not lost because of a mistake in its set-up: sends the
   * first, the last and the middle one, each alone. @throws ServerUnavailable if it refuses all of them
   */
  async #probe(queue: Set<LoggerRecord>, complete: readonly LoggerRecord[]): Promise<void> {
    const places = [0, complete.length - 1, Math.floor(complete.length / 2)];
    const probes = new Set(places.flatMap((at) => complete[at] ?? []));
    let taken = 0;
    for (const probe of probes) if ((await this.#send(queue, [probe])) === "taken") taken++;
    if (probes.size > 0 && taken === 0) throw new ServerUnavailable(`it refuses every record: ${this.#reason}`);
  }

  async #split(queue: Set<LoggerRecord>, records: readonly LoggerRecord[]): Promise<void> {
    this.#discard(queue);
    const left = records.filter((record) => queue.has(record));
    const [only] = left;
    if (only === undefined || (await this.#send(queue, left)) === "taken") return;
    if (left.length === 1) return this.#drop(queue, only);
    const middle = Math.ceil(left.length / 2);
    await this.#split(queue, left.slice(0, middle));
    await this.#split(queue, left.slice(middle));
  }

  /** Sends records, and removes them if they are taken. @throws ServerUnavailable */
  async #send(queue: Set<LoggerRecord>, records: readonly LoggerRecord[]): Promise<Outcome> {
    if (records.length === 0) return "taken";
    const { ask, endpoint: path, token } = this.#options;
    const body = Buffer.from(JSON.stringify(records), "utf8");
    const answer = await ask({ method: "POST", path, body, ...(token !== "" && { token }) });
    const outcome = outcomeOf(answer, records);
    this.#reason = this.#words(answer);
    if (outcome === undefined) throw new ServerUnavailable(this.#reason);
    if (outcome === "long" && records.length === 1) throw new ServerUnavailable(this.#reason);
    if (outcome === "taken") {
      for (const record of records) queue.delete(record);
      this.#tellUnusable(answer, records.length);
    }
    return outcome;
  }

  #words(answer: UploadAnswer): string {
    const words = describeAnswer(answer, [this.#options.token], "server_host and server_port");
    return answer.status === 200 ? `${words}, which does not say that it took the records` : words;
  }

  /** A record that is refused alone is lost, and so are those that lack the same readings. */
  #drop(queue: Set<LoggerRecord>, record: LoggerRecord): void {
    const { server, log, ticks } = this.#options;
    const gaps = gapsOf(record);
    if (gaps === "") {
      queue.delete(record);
      log.warn(
        `logger: ${server} refuses a record, which is lost: ${this.#reason}: ${clean(JSON.stringify(record), 1024)}`,
      );
      return;
    }
    const before = this.#refused.get(gaps);
    if (before === undefined) {
      log.warn(
        `logger: ${server} refuses records without ${gaps} (GPU ${record.gpu_id} has none): such records are lost, others are sent. ${this.#reason}`,
      );
    }
    this.#refused.set(gaps, { lost: 0, told: ticks(), ...before, known: true, since: ticks() });
    this.#discard(queue);
  }

  /** Removes records that the server is known to refuse. */
  #discard(queue: Set<LoggerRecord>): void {
    if (this.#refused.size === 0) return;
    for (const record of queue) {
      const refused = this.#refused.get(gapsOf(record));
      if (refused?.known !== true) continue;
      refused.lost++;
      queue.delete(record);
    }
  }

  /** Offers such records again, and logs how many were lost if the last line on that is long enough ago. */
  #offerAgain(gaps: string, refused: Refused, quietMs: number): void {
    const { server, log, ticks } = this.#options;
    refused.known = false;
    if (refused.lost === 0 || ticks() - refused.told < quietMs) return;
    log.warn(`logger: ${server}: ${refused.lost} records without ${gaps} were refused and are lost`);
    refused.lost = 0;
    refused.told = ticks();
  }

  #shorten(length: number): void {
    const { server, log } = this.#options;
    this.#most = Math.ceil(length / 2);
    log.info(`logger: ${server} takes no ${length} records at once: at most ${this.#most} are sent from now on`);
  }

  /** Logs that the server took an array but not all of its records, once until it takes all again. */
  #tellUnusable({ text }: UploadAnswer, sent: number): void {
    const body = parseObject(text);
    const data = body?.data as Readonly<Record<string, unknown>> | null | undefined;
    const failed = body?.failed_count ?? data?.failed_count;
    const unusable = typeof failed === "number" && failed > 0;
    if (unusable && !this.#unusable) {
      this.#options.log.warn(`logger: ${this.#options.server} could not use ${failed} of ${sent} records`);
    }
    this.#unusable = unusable;
  }
}

/** Undefined if the server does not work. */
function outcomeOf({ status, text }: UploadAnswer, records: readonly LoggerRecord[]): Outcome | undefined {
  const body = parseObject(text);
  // The second generation of servers has "success", the third and fourth have "code" in its place.
  if (status === 200)
    return body?.success === true || (body?.success === undefined && body?.code === 200) ? "taken" : undefined;
  if (status === 413) return "long";
  if (status === 400 || status === 422) return "refused";
  // Those with "code" judge each record, and answer so if none is good. A full disk looks the same: complete records wait.
  const none = status === 500 && body?.code === 500 && records.every((record) => gapsOf(record) !== "");
  return none ? "refused" : undefined;
}
