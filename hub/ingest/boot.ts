import { clean } from "../../proto/clean.ts";
import type { HostInfo } from "../../proto/gen/host_pb.js";
import type { Sentence } from "../sentence.ts";
import { trouble } from "../trouble.ts";
import { type Owner, rankOf } from "./claim.ts";

/** After a longer silence of the machine that feeds a host, another one may take its place. Milliseconds. */
const silenceMs = 300_000;
/** The same for another one that does not say since when it runs. */
const shortSilenceMs = 60_000;
/** How long a report may be on its way. */
const delayMs = 5000;
/** Greatest error of a late report's time. */
const skewMs = 30_000;

/** The machine that feeds a host, since its last start. Times are Unix milliseconds of the hub's clock. */
export interface FeedingBoot {
  /** Random, from the kernel. */
  readonly id: string;
  /** When it started; undefined if it does not say. */
  readonly started: number | undefined;
  /** Its first report and its last one. */
  readonly from: number;
  to: number;
  by: Owner;
}

/**
 * Tells a restart of a machine from a second machine of the same name: a clone of its disk, or another one with its host name
 * or token. The second one was running already when the first was heard from. Reports without a boot id are not checked.
 */
export class BootGuard {
  #feeding: FeedingBoot | undefined;

  /**
   * Takes a current report.
   * @returns the machine that feeds the host if the report comes from a second one, which must not be used
   */
  current({ system }: HostInfo, by: Owner, now: number): FeedingBoot | undefined {
    const { bootId: id, uptime } = system ?? {};
    if (!id) return undefined;
    const feeding = this.#feeding;
    const higher = feeding === undefined || rankOf(by) < rankOf(feeding.by);
    if (feeding?.id === id) {
      feeding.to = now;
      if (higher) feeding.by = by;
      return undefined;
    }
    const started = uptime === undefined ? undefined : now - Number(uptime) * 1000;
    if (!higher && isRunning(feeding, started, now)) return feeding;
    this.#feeding = { id, started, from: now, to: now, by };
    return undefined;
  }

  /** Takes a late report. @param at when it was sampled @returns as `current` */
  late({ system }: HostInfo, at: number): FeedingBoot | undefined {
    const feeding = this.#feeding;
    if (feeding === undefined || !system?.bootId || system.bootId === feeding.id) return undefined;
    const { started, from, to } = feeding;
    return at > (started ?? from) + skewMs && at <= to + skewMs ? feeding : undefined;
  }

  /** Forgets the machine of an owner. */
  release(by: Owner): void {
    if (this.#feeding?.by === by) this.#feeding = undefined;
  }
}

/** True if the machine that feeds a host was heard from after another one had started. */
function isRunning({ to }: FeedingBoot, started: number | undefined, now: number): boolean {
  const silentMs = Math.abs(now - to);
  return started === undefined ? silentMs <= shortSilenceMs : silentMs <= silenceMs && started + delayMs < to;
}

/** For how long administrators see that two machines had one name. */
export const secondMs = 600_000;

/** Describes a second machine to administrators. */
export function secondMachine(feeding: FeedingBoot, { system }: HostInfo): Sentence {
  const [first = "", second = ""] = [feeding.id, system?.bootId ?? ""].map((id) => clean(id).slice(0, 8));
  return trouble("second_machine", { first, second });
}
