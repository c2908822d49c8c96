import type { Level } from "../../../proto/catalog.ts";
import type { Clock } from "../../clock.ts";
import { Fault } from "../../fault.ts";
import type { Log } from "../../log.ts";
import type { Columns, Known, Measured, Poll, Range, SeriesId, Store } from "../store.ts";
import { Buckets } from "./bucket.ts";
import { type File, openFile } from "./file.ts";
import { idOf, Pending, type Row } from "./pending.ts";
import { Tables } from "./tables.ts";

export interface Options {
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly keepDays: () => number;
  /** Told in words when nothing can be written, and with undefined when it can again. */
  readonly trouble: (text: string | undefined) => void;
}

/** Samples gather for this long before they are written together. The contract allows a second. Milliseconds. */
const gather = 800;
/** Between two attempts while nothing can be written. Milliseconds. */
const again = 2000;
/** Rows that wait in memory at most while nothing can be written: about 200 MB. */
const waiting = 200_000;
const day = 86_400_000;

/**
 * Opens the history in a folder.
 * @throws Fault data_folder_unusable, data_folder_busy, data_newer
 */
export function openStore(options: Options): Store {
  let tables: Tables | undefined;
  const file = openFile(options.folder, options.log, (opened) => {
    tables = new Tables(opened);
  });
  return new SqliteStore(file, tables ?? new Tables(file), options);
}

class SqliteStore implements Store {
  readonly #file: File;
  readonly #tables: Tables;
  readonly #options: Options;
  readonly #pending = new Pending();
  readonly #known = new Map<string, Known>();
  #cancel: (() => void) | undefined;
  #failing = false;
  #lost = 0;

  constructor(file: File, tables: Tables, options: Options) {
    this.#file = file;
    this.#tables = tables;
    this.#options = options;
    for (const known of tables.devices()) this.#known.set(idOf(known), known);
  }

  append(poll: Poll): void {
    const devices = poll.devices.map(finite).filter(({ values }) => values.size > 0);
    checkPoll(poll);
    if (devices.length === 0) return;
    this.#pending.add({ ...poll, devices });
    for (const measured of devices) this.#note(poll, measured);
    if (this.#failing) this.#lost += this.#pending.shed(waiting);
    else this.#cancel ??= this.#options.clock.after(gather, () => this.#commit());
  }

  read(series: SeriesId, range: Range): Columns {
    checkRange(range);
    const buckets = new Buckets(range.step);
    const id = idOf(series);
    const fresh = this.#pending.between(id, range.from, range.to);
    let next = 0;
    const take = (row: Row): void => {
      const held = row.measured.values.get(series.metric);
      if (held !== undefined) buckets.add(row.at, held);
    };
    for (const [t, value] of this.#tables.samples(series, range)) {
      let replaced = false;
      for (let row = fresh[next]; row !== undefined && row.at <= t; row = fresh[++next]) {
        replaced ||= row.at === t;
        take(row);
      }
      if (!replaced && value !== undefined) buckets.add(t, value);
    }
    for (const row of fresh.slice(next)) take(row);
    return buckets.columns();
  }

  known(host?: string): readonly Known[] {
    const all = [...this.#known.values()];
    return host === undefined ? all : all.filter((known) => known.host === host);
  }

  flush(): void {
    this.#commit();
    if (this.#failing)
      throw new Fault("history_unwritable", "History cannot be written; what it was given last is in memory only.");
  }

  close(): void {
    this.#commit();
    this.#cancel?.();
    if (this.#pending.count > 0)
      this.#options.log.error(`${this.#pending.count} measurements could not be written and are lost`);
    this.#file.close();
  }

  #note(poll: Poll, { level, key, index, values }: Measured): void {
    const before = this.#known.get(idOf({ host: poll.host, level, key }));
    const newer = before === undefined || poll.at >= before.last;
    const at = newer ? index : before.index;
    const names = [...values.keys()];
    const same = before !== undefined && names.every((name) => before.metrics.includes(name));
    this.#known.set(idOf({ host: poll.host, level, key }), {
      host: poll.host,
      level,
      key,
      ...(at === undefined ? {} : { index: at }),
      metrics: same ? before.metrics : [...new Set([...(before?.metrics ?? []), ...names])],
      last: newer ? poll.at : before.last,
    });
  }

  #commit(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const { clock, log, trouble, keepDays } = this.#options;
    try {
      const emptied = this.#tables.write(this.#pending.rows(), clock.now() - keepDays() * day);
      this.#pending.clear();
      for (const device of emptied) this.#known.delete(idOf(device));
      if (!this.#failing) return;
      const lost = this.#lost > 0 ? `; ${this.#lost} measurements did not fit into memory and are lost` : "";
      log.info(`history is written again${lost}`);
      this.#failing = false;
      this.#lost = 0;
      trouble(undefined);
    } catch (error) {
      const { message } = error as Error;
      if (!this.#failing) {
        const text = `History cannot be written to ${this.#options.folder}: ${message}. Live values go on; writing is tried again every ${again / 1000} s.`;
        log.error(text);
        trouble(text);
      }
      this.#failing = true;
      this.#cancel = clock.after(again, () => this.#commit());
    }
  }
}

function finite(measured: Measured): Measured {
  const values = new Map([...measured.values].filter(([, value]) => Number.isFinite(value)));
  return { ...measured, values };
}

/** Times that a Date can hold; more would be a unit taken for another. */
const latest = 8.64e15;

function checkPoll({ host, at, devices }: Poll): void {
  if (!Number.isInteger(at) || at < 0 || at > latest) {
    throw new Fault("sample_bad", `The time of a measurement must be Unix milliseconds: it is ${at}`);
  }
  const levels: readonly Level[] = ["host", "gpu", "disk", "nic"];
  for (const { level, key } of devices) {
    if (host === "" || /\n/.test(host + key) || !levels.includes(level)) {
      throw new Fault("sample_bad", `A measurement must name its host and device: they are "${host}" and "${key}"`);
    }
  }
}

function checkRange({ from, to, step }: Range): void {
  if (Number.isNaN(from) || Number.isNaN(to) || !(step >= 0) || step === Number.POSITIVE_INFINITY) {
    throw new Fault("bad_request", `A range must be two times and a step of 0 or more: it is ${from}, ${to}, ${step}`);
  }
}
