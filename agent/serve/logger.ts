import { authorities } from "../../program/authorities.ts";
import { readText } from "../../program/file.ts";
import { SettingError } from "../../program/setting.ts";
import type { HostInfo } from "../../proto/gen/host_pb.js";
import type { Log } from "../source/source.ts";
import { describeAnswer, describeError } from "../upload/answer.ts";
import { Backlog, type BacklogLimits } from "../upload/backlog.ts";
import { backoffMs } from "../upload/backoff.ts";
import {
  environmentOf,
  type UploadAnswer,
  UploadClient,
  type UploadEnvironment,
  type UploadRequest,
} from "../upload/client.ts";
import { type LoggerConfig, masked, parseLoggerConfig } from "./logger/config.ts";
import { Delivery, ServerUnavailable } from "./logger/delivery.ts";
import { encodeReading, type LoggerRecord, recordsOf } from "./logger/record.ts";

export interface LoggerOptions {
  readonly config: LoggerConfig;
  /** Token for a hub that asks for one; "" for none. */
  readonly token: string;
  /** File of further authorities, PEM; "" for none. */
  readonly ca: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly collect: () => Promise<HostInfo>;
  readonly log: Log;
  /** Logs each exchange. */
  readonly debug: (line: string) => void;
  /** Milliseconds, monotonic. */
  readonly ticks: () => number;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** Most records that wait: 17 hours of a machine with eight GPUs at five seconds. */
const usualRoom: BacklogLimits = { count: 100_000, bytes: 12 * 1024 * 1024 };

/** Records of one request, if the file does not want more. Servers answer an array when they have written all of it. */
const most = 500;

/** Bounds of the time between two attempts. */
const leastMs = 100;
const longestMs = 60_000;

/** Reads the client's file. @throws SettingError if it cannot be read, or a value is not what is wanted */
export function loadLoggerConfig(path: string): LoggerConfig {
  let text: string;
  try {
    text = readText(path);
  } catch (error) {
    throw new SettingError(`Cannot read setting "logger.config" (GOHM_LOGGER_CONFIG): ${(error as Error).message}`);
  }
  return parseLoggerConfig(text, path);
}

/** The server's address for the log. */
export const addressOf = ({ server, endpoint }: LoggerConfig): string => masked(server) + endpoint;

/** Sends records as the client of NVIDIA GPU Metrics Logger does: reads and sends, each at its own pace. */
export class LoggerClient {
  readonly #options: LoggerOptions;
  readonly #outside: UploadEnvironment;
  readonly #room: BacklogLimits;
  readonly #server: string;
  readonly #delivery: Delivery;
  readonly #backlog: Backlog;
  /** The oldest records, of which some may be delivered already. */
  readonly #current = new Set<LoggerRecord>();
  #failures = 0;
  #trouble = "";
  #dropped = 0;
  #empty = false;
  #lastSent: number;
  /** Ends pauses when the program stops. */
  readonly #stopping = new AbortController();
  /** Ends exchanges when the grace period is over. */
  readonly #cut = new AbortController();
  #wake: () => void = () => undefined;
  readonly #sending: Promise<void>;

  constructor(options: LoggerOptions, outside: UploadEnvironment, room: BacklogLimits = usualRoom) {
    const { config, token, log, ticks } = options;
    this.#options = options;
    this.#outside = outside;
    this.#room = room;
    this.#server = masked(config.server);
    this.#backlog = new Backlog(room);
    this.#delivery = new Delivery({
      endpoint: config.endpoint,
      server: this.#server,
      token,
      most: Math.max(most, config.network.batchSize),
      log,
      ticks,
      ask: (request) => this.#ask(request, this.#cut.signal),
    });
    this.#lastSent = ticks();
    this.#stopping.signal.addEventListener("abort", () => this.#wake());
    const over = (what: string) => (error: unknown) => log.warn(`logger: ${what}: ${String(error)}`);
    this.#sample().catch(over("no more readings"));
    this.#sending = this.#send().catch(over("no more records are sent"));
  }

  /** Sends waiting records for up to `grace` milliseconds. */
  async close(grace: number): Promise<void> {
    this.#stopping.abort();
    const timer = setTimeout(() => this.#cut.abort(), grace);
    await this.#sending;
    clearTimeout(timer);
    this.#outside.close();
    this.#delivery.interrupted();
    this.#tellDropped();
    const { log } = this.#options;
    if (this.#waiting > 0) log.warn(`logger: ${records(this.#waiting)} could not be sent before the end`);
  }

  get #waiting(): number {
    return this.#backlog.records + this.#current.size;
  }

  async #send(): Promise<void> {
    const { signal: stopped } = this.#stopping;
    await this.#greet();
    while (!stopped.aborted || this.#waiting > 0) {
      if (!stopped.aborted && this.#untilDue() > 0) {
        await this.#becomesDue();
        continue;
      }
      this.#fill();
      try {
        await this.#delivery.deliver(this.#current);
        this.#recover();
      } catch (error) {
        if (!(error instanceof ServerUnavailable)) throw error;
        if (stopped.aborted) return;
        await this.#endure(error);
      }
    }
  }

  /** Asks once if the server works, for the log. */
  async #greet(): Promise<void> {
    const { config, log } = this.#options;
    const late = AbortSignal.timeout(config.connectionTimeout * 1000);
    try {
      const request = { method: "GET", path: "/health" } as const;
      const answer = await this.#ask(request, AbortSignal.any([late, this.#stopping.signal]));
      if (answer.status === 200) log.info(`logger: ${this.#server} is healthy`);
      else log.warn(`logger: ${this.#server}/health: ${describeAnswer(answer, [], "server_host and server_port")}`);
    } catch (error) {
      if (!this.#stopping.signal.aborted) log.warn(`logger: ${this.#server}/health: ${(error as Error).message}`);
    }
  }

  /** Milliseconds until records are sent. */
  #untilDue(): number {
    const { batchSize, batchInterval } = this.#options.config.network;
    if (this.#waiting >= Math.max(1, batchSize)) return 0;
    const left = this.#lastSent + batchInterval * 1000 - this.#options.ticks();
    return this.#waiting > 0 ? Math.max(0, left) : Math.max(leastMs, left);
  }

  /** Waits until records may be due. */
  async #becomesDue(): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await this.#outside.pause(this.#untilDue(), woken.signal);
  }

  /** Takes waiting readings as records, as far as one request may have them. */
  #fill(): void {
    const { clientName, readings, network } = this.#options.config;
    const room = Math.max(most, network.batchSize);
    for (;;) {
      const oldest = this.#backlog.oldest();
      if (oldest === undefined || this.#current.size >= room) return;
      for (const record of recordsOf(oldest.bytes, clientName, readings)) this.#current.add(record);
      this.#backlog.done(oldest);
    }
  }

  /** @throws ServerUnavailable */
  async #ask(request: UploadRequest, signal: AbortSignal): Promise<UploadAnswer> {
    const { ticks, debug } = this.#options;
    const begun = ticks();
    const { method, path, body } = request;
    const what = `logger: ${method} ${path}${body ? `, ${body.length} bytes` : ""}`;
    try {
      const answer = await this.#outside.ask(request, signal);
      debug(`${what}: ${answer.status} in ${Math.round(ticks() - begun)} ms`);
      return answer;
    } catch (error) {
      throw new ServerUnavailable(describeError(error as NodeJS.ErrnoException));
    }
  }

  /** Logs that the server is unavailable, and waits. */
  async #endure({ message }: ServerUnavailable): Promise<void> {
    const { log, debug, config } = this.#options;
    const { retryDelay, retryBackoff, maxRetries } = config.network;
    const trouble = `logger: ${this.#server}: ${message}; trying again until it works`;
    if (trouble === this.#trouble) debug(trouble);
    else log.warn(trouble);
    this.#trouble = trouble;
    this.#failures++;
    this.#delivery.interrupted();
    if (this.#failures === maxRetries + 1) {
      log.warn(
        `logger: ${this.#server} took nothing in ${this.#failures} attempts: ${records(this.#waiting)} wait, and up to ${this.#room.count} will`,
      );
    }
    const firstMs = retryDelay * 1000;
    const steps = { firstMs, factor: retryBackoff, longestMs: Math.max(firstMs, longestMs) };
    const ms = backoffMs(Math.min(this.#failures, maxRetries + 1), 0, steps);
    await this.#outside.pause(Math.max(leastMs, ms), this.#stopping.signal);
  }

  #recover(): void {
    this.#lastSent = this.#options.ticks();
    if (this.#failures > 0) {
      // Those of the first request are delivered already.
      const more = this.#waiting > 0 ? `: ${records(this.#waiting)} still to be sent` : "";
      this.#options.log.info(`logger: ${this.#server} takes records again${more}`);
    }
    this.#failures = 0;
    this.#trouble = "";
    if (this.#backlog.records === 0) this.#tellDropped();
  }

  #tellDropped(): void {
    if (this.#dropped > 0) this.#options.log.warn(`logger: ${records(this.#dropped)} had to be dropped, the oldest`);
    this.#dropped = 0;
  }

  /** Reads the machine every interval, even while the server is unavailable. */
  async #sample(): Promise<void> {
    const { collect, ticks, now, config } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const begun = ticks();
      const at = now();
      this.#keep(await collect(), at);
      await this.#outside.pause(Math.ceil(Math.max(0, config.interval * 1000 - (ticks() - begun))), signal);
    }
  }

  #keep(info: HostInfo, begun: number): void {
    const { log } = this.#options;
    const reading = encodeReading(info, begun);
    if (reading === undefined) {
      if (!this.#empty) log.warn(`logger: there is no GPU to send records of${info.err ? `: ${info.err}` : ""}`);
      this.#empty = true;
      return;
    }
    this.#empty = false;
    this.#backlog.add(reading.bytes, reading.records);
    const dropped = this.#backlog.takeDropped();
    if (dropped > 0 && this.#dropped === 0) {
      log.warn(`logger: over ${this.#room.count} records wait: the oldest are dropped from now on`);
    }
    this.#dropped += dropped;
    this.#wake();
  }
}

const records = (count: number): string => `${count} ${count === 1 ? "record" : "records"}`;

/**
 * Starts sending records to the server of the file.
 * @throws SettingError if the authorities cannot be used.
 */
export function startLogger(options: LoggerOptions): LoggerClient {
  const { ca, env, config } = options;
  const { server } = config;
  const connecting = config.connectionTimeout * 1000;
  const client = new UploadClient({
    server,
    authorities: server.startsWith("https:") ? authorities({ ca, setting: '"server.ca" (GOHM_SERVER_CA)', env }) : [],
    deadline: connecting + config.readTimeout * 1000,
    connecting,
    limit: 256 * 1024,
  });
  return new LoggerClient(options, environmentOf(client));
}
