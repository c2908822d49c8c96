import { toBinary } from "@bufbuild/protobuf";
import { authorities } from "../../program/authorities.ts";
import { SettingError } from "../../program/setting.ts";
import { type HostInfo, HostInfoSchema, State } from "../../proto/gen/host_pb.js";
import type { Log } from "../source/source.ts";
import { describeError } from "../upload/answer.ts";
import { Backlog, type BacklogLimits } from "../upload/backlog.ts";
import { backoffMs } from "../upload/backoff.ts";
import {
  environmentOf,
  type UploadAnswer,
  UploadClient,
  type UploadEnvironment,
  type UploadRequest,
} from "../upload/client.ts";
import { defaultPath, loadCredentials, reserveTokenFile } from "./push/credentials.ts";
import { HubRejection, HubUnavailable, Portal } from "./push/portal.ts";
import { select } from "./push/report.ts";

export interface PushOptions {
  /** Address of the hub, http: or https:, without a slash at its end. */
  readonly server: string;
  /** File that holds the token; "" for the usual one. */
  readonly path: string;
  /** Seconds between reports; 0 for the hub's configuration. */
  readonly interval: number;
  /** Name this machine is registered by. */
  readonly hostname: string;
  /** Secret sent at the registration; "" for none. */
  readonly secret: string;
  /** File of further authorities, PEM; "" for none. */
  readonly ca: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly collect: () => Promise<HostInfo>;
  readonly log: Log;
  /** Logs each exchange. */
  readonly debug: (line: string) => void;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Milliseconds, monotonic. */
  readonly ticks: () => number;
}

/** The reason why reporting has ended. */
export interface PushEnd {
  readonly message: string;
  /** True if the hub rejected this agent: its administrator must act, and trying again is of no use. */
  readonly rejected: boolean;
}

export interface Push {
  /** Resolves if reporting cannot go on, with what must be done before the agent is started again. */
  readonly ended: Promise<PushEnd>;
  /** Sends waiting samples for up to `grace` milliseconds. */
  close(grace: number): Promise<void>;
}

/** About three hours of a machine with eight GPUs at five seconds, and thirteen of one without. */
const usualRoom: BacklogLimits = { count: 10_000, bytes: 4 * 1024 * 1024 };

/** Collects samples and sends them, each at its own pace. */
export class Pusher implements Push {
  readonly #options: PushOptions;
  readonly #outside: UploadEnvironment;
  readonly #path: string;
  readonly #portal: Portal;
  readonly #backlog: Backlog;
  #failures = 0;
  #trouble = "";
  #dropped = 0;
  /** Ends pauses when the program stops. */
  readonly #stopping = new AbortController();
  /** Ends exchanges when the grace period is over. */
  readonly #cut = new AbortController();
  #wake: () => void = () => undefined;
  #sampling = false;
  readonly #sending: Promise<PushEnd | undefined>;
  readonly ended: Promise<PushEnd>;

  constructor(options: PushOptions, outside: UploadEnvironment, room: BacklogLimits = usualRoom) {
    const { server, hostname, secret, log } = options;
    this.#options = options;
    this.#outside = outside;
    this.#backlog = new Backlog(room);
    const path = options.path || defaultPath(options.env);
    this.#path = path;
    const ask = (request: UploadRequest): Promise<UploadAnswer> => this.#ask(request);
    this.#portal = new Portal(
      { server, hostname, path, secret, log, ask },
      loadCredentials(path, server, log.warn)?.token,
    );
    this.#stopping.signal.addEventListener("abort", () => this.#wake());
    this.#sending = this.#send();
    this.ended = this.#sending.then((ending) => ending ?? new Promise<PushEnd>(() => undefined));
  }

  async close(grace: number): Promise<void> {
    this.#stopping.abort();
    const timer = setTimeout(() => this.#cut.abort(), grace);
    await this.#sending;
    clearTimeout(timer);
    this.#outside.close();
    const { size } = this.#backlog;
    if (size > 0) this.#options.log.warn(`push: ${samples(size)} could not be sent before the end`);
  }

  /** Registers, fetches the configuration and sends, in a loop. Resolves when stopped, or with the reason of its end. */
  async #send(): Promise<PushEnd | undefined> {
    const stopped = this.#stopping.signal;
    while (!stopped.aborted || this.#backlog.size > 0) {
      try {
        await this.#step();
      } catch (error) {
        if (error instanceof HubRejection || error instanceof SettingError) {
          this.#stopping.abort();
          return { message: error.message, rejected: error instanceof HubRejection };
        }
        if (stopped.aborted) return undefined;
        await this.#endure(error);
      }
    }
    return undefined;
  }

  async #step(): Promise<void> {
    const portal = this.#portal;
    if (!portal.registered) await this.#register();
    if (portal.outdated) await portal.configure();
    this.#beginSampling();
    const sample = portal.rich ? this.#backlog.oldest() : this.#backlog.newest();
    if (sample === undefined) {
      if (this.#stopping.signal.aborted) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      return;
    }
    if (!(await portal.report(sample.bytes))) return;
    this.#recover();
    // A JSON report has no time: the newest replaces all before it.
    this.#backlog.done(sample);
    this.#tellDropped();
  }

  async #register(): Promise<void> {
    const { collect, log } = this.#options;
    // The hub issues a token only once: the file for it must be writable before.
    const file = reserveTokenFile(this.#path);
    try {
      const info = await collect();
      await this.#portal.register(info, file);
      for (const { name, state, err } of info.sources) {
        if (state !== State.HUNG && state !== State.STALE) continue;
        log.warn(
          `push: registered without what ${name} reads (${err}): the hub's list of devices lacks it until the node is registered anew`,
        );
      }
    } finally {
      file.release();
    }
  }

  async #ask(request: UploadRequest): Promise<UploadAnswer> {
    const { ticks, debug } = this.#options;
    const begun = ticks();
    const { method, path, body } = request;
    const what = `push: ${method} ${path}${body ? `, ${body.length} bytes` : ""}`;
    try {
      const answer = await this.#outside.ask(request, this.#cut.signal);
      debug(`${what}: ${answer.status} in ${Math.round(ticks() - begun)} ms`);
      return answer;
    } catch (error) {
      throw new HubUnavailable(describeError(error as NodeJS.ErrnoException));
    }
  }

  /** Logs that the hub is unavailable, and waits. */
  async #endure(error: unknown): Promise<void> {
    const { server, log, debug, random } = this.#options;
    const trouble = `push: ${server}: ${error instanceof Error ? error.message : String(error)}; trying again until it works`;
    if (trouble === this.#trouble) debug(trouble);
    else log.warn(trouble);
    this.#trouble = trouble;
    this.#failures++;
    this.#portal.interrupted();
    const after = error instanceof HubUnavailable ? error.after : undefined;
    await this.#outside.pause(after ?? backoffMs(this.#failures, random()), this.#stopping.signal);
  }

  /** Logs that the hub accepts reports again. */
  #recover(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#trouble = "";
    const { server, log } = this.#options;
    log.info(
      `push: ${server} takes reports again${this.#portal.rich ? `: ${samples(this.#backlog.size)} kept meanwhile` : ""}`,
    );
  }

  #tellDropped(): void {
    if (this.#dropped === 0 || this.#backlog.size > 0) return;
    this.#options.log.warn(`push: ${samples(this.#dropped)} had to be dropped, the oldest`);
    this.#dropped = 0;
  }

  #beginSampling(): void {
    if (this.#sampling) return;
    this.#sampling = true;
    this.#sample().catch((error: unknown) => this.#options.log.warn(`push: no more samples: ${String(error)}`));
  }

  /** Collects a sample every interval, even while the hub is unavailable. */
  async #sample(): Promise<void> {
    const { collect, ticks, interval } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const begun = ticks();
      this.#keep(await collect());
      const next = (interval || (this.#portal.config?.interval ?? 0)) * 1000;
      await this.#outside.pause(Math.max(0, next - (ticks() - begun)), signal);
    }
  }

  #keep(info: HostInfo): void {
    const { hostname, log } = this.#options;
    const { config } = this.#portal;
    if (config === undefined) return;
    this.#backlog.add(toBinary(HostInfoSchema, select(info, config, hostname)));
    const dropped = this.#backlog.takeDropped();
    if (dropped > 0 && this.#dropped === 0) log.warn("push: too many samples wait: the oldest are dropped from now on");
    this.#dropped += dropped;
    this.#wake();
  }
}

const samples = (count: number): string => `${count} ${count === 1 ? "sample" : "samples"}`;

/** Milliseconds for one exchange, and the size limit of an answer in bytes. */
const deadline = 10_000;
const limit = 256 * 1024;

/**
 * Starts reporting to a hub.
 * @throws SettingError if the token file or the authorities cannot be used.
 */
export function startPush(options: PushOptions): Push {
  const { server, ca, env } = options;
  const trusted = server.startsWith("https:") ? authorities({ ca, setting: '"server.ca" (GOHM_SERVER_CA)', env }) : [];
  const client = new UploadClient({ server, authorities: trusted, deadline, limit });
  return new Pusher(options, environmentOf(client));
}
