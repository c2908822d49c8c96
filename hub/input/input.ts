import type { Clock } from "../clock.ts";
import type { Ingest } from "../ingest.ts";
import type { Log } from "../log.ts";

/** What ways in need of the settings; replaced as a whole when the settings file changes. */
export interface Plan {
  /** Server name → "host:port", or "tls://host:port". */
  readonly servers: ReadonlyMap<string, string>;
  /** Seconds between two polls of a host, and seconds one may take. */
  readonly interval: number;
  readonly deadline: number;
  /** Polls under way at the same time. */
  readonly concurrency: number;
  /** Shared secret; "" where hosts want none. */
  readonly token: string;
  /** Paths of PEM files for tls:// hosts; "" for the system's authorities, and for no certificate of our own. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface Intake {
  readonly ingest: Ingest;
  readonly clock: Clock;
  /** From 0 up to 1, as Math.random. */
  readonly random: () => number;
  readonly log: Log;
}

/** One way in which answers of hosts come to the hub. */
export interface Input {
  readonly name: string;
  open(intake: Intake, plan: Plan): Way;
}

export interface Way {
  /** Other settings are in force from now on. */
  change(plan: Plan): void;
  close(): void;
}
