import { clean } from "../proto/clean.ts";

/** Size limit of a text, in bytes. */
const textLimit = 512;
/** Most texts of one host, and most hosts with texts: machines choose names and cause troubles. */
const mostTexts = 8;
const mostHosts = 1024;

interface Trouble {
  readonly text: string;
  /** Unix milliseconds. */
  readonly until: number;
}

/**
 * What is wrong with the reports of hosts, as texts for administrators. Inputs and ingest write it, views read it. Bounded:
 * the oldest texts give way to new ones.
 */
export class Troubles {
  readonly #now: () => number;
  /** By host and topic, the newest last. */
  readonly #hosts = new Map<string, Map<string, Trouble>>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * Sets the text of a topic of a host; undefined removes it.
   * @param text may quote the host
   * @param lastsMs after which it is removed by itself
   */
  set(host: string, topic: string, text: string | undefined, lastsMs = Number.POSITIVE_INFINITY): void {
    const before = this.#hosts.get(host);
    if (text === undefined) {
      if (before?.delete(topic) === true && before.size === 0) this.#hosts.delete(host);
      return;
    }
    const topics = before ?? new Map<string, Trouble>();
    this.#hosts.delete(host);
    this.#hosts.set(host, topics);
    topics.delete(topic);
    topics.set(topic, { text: clean(text, textLimit), until: this.#now() + lastsMs });
    shorten(topics, mostTexts);
    shorten(this.#hosts, mostHosts);
  }

  /** The texts of a host, the newest last. */
  of(host: string): string[] {
    const now = this.#now();
    const topics = this.#hosts.get(host);
    for (const [topic, { until }] of topics ?? []) if (until <= now) this.set(host, topic, undefined);
    return [...(topics?.values() ?? [])].map(({ text }) => text);
  }

  /** Removes everything of a host. */
  forget(host: string): void {
    this.#hosts.delete(host);
  }
}

/** Troubles as views see them. */
export type TroublesView = Pick<Troubles, "of">;

/** Removes the oldest entries beyond a limit. */
function shorten(entries: Map<string, unknown>, limit: number): void {
  for (const oldest of entries.keys()) {
    if (entries.size <= limit) return;
    entries.delete(oldest);
  }
}
