import type { Log } from "../../log.ts";
import type { DataIssue } from "../../report/report.ts";
import { textOf } from "../../sentence.ts";

/** What is the same of several days. */
interface Same {
  /** Name of a node; undefined for what is of all. */
  readonly node: string | undefined;
  /** The day that was made first, the newest as a rule: "YYYY-MM-DD". */
  readonly date: string;
  readonly text: string;
  count: number;
}

/** Most entries that are kept until the last day is made. */
const mostSame = 1000;

/** The log of days that are made up: what is the same of many, as of a new hub that makes 31, is one line with their number. */
export class PastLog {
  readonly #log: Log;
  readonly #same = new Map<string, Same>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Keeps an issue of a node and day, or of a day alone. */
  add(node: string | undefined, date: string, issue: DataIssue): void {
    const key = `${node ?? ""} ${typeof issue === "string" ? issue : issue.code}`;
    const known = this.#same.get(key);
    if (known !== undefined) {
      known.count++;
      return;
    }
    if (this.#same.size >= mostSame) this.flush();
    this.#same.set(key, { node, date, text: textOf(issue), count: 1 });
  }

  /** Writes what was kept, once all days are made. */
  flush(): void {
    for (const { node, date, text, count } of this.#same.values()) {
      const more = count === 1 ? "" : ` and ${count - 1} more ${count === 2 ? "day" : "days"}`;
      if (node !== undefined) this.#log.warn(`daily report of ${node}, ${date}${more}: ${text}`);
      else this.#log.warn(more === "" ? text : `daily reports of ${date}${more}: ${text}`);
    }
    this.#same.clear();
  }
}
