import type { Measured, Poll } from "../store.ts";

/** One device's measurements at one time. */
export interface Row {
  readonly host: string;
  readonly at: number;
  readonly measured: Measured;
}

export const idOf = (of: { host: string; level: string; key: string }): string => `${of.host}\n${of.level}\n${of.key}`;

/** What was taken and is not on disk yet, by device; at one time there is one row, the one that came last. */
export class Pending {
  readonly #devices = new Map<string, Map<number, Row>>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(poll: Poll): void {
    for (const measured of poll.devices) {
      const id = idOf({ host: poll.host, level: measured.level, key: measured.key });
      const rows = this.#devices.get(id) ?? new Map<number, Row>();
      this.#devices.set(id, rows);
      const before = rows.size;
      rows.set(poll.at, { host: poll.host, at: poll.at, measured });
      this.#count += rows.size - before;
    }
  }

  *rows(): Generator<Row> {
    for (const rows of this.#devices.values()) yield* rows.values();
  }

  /** Rows of one device with from ≤ at < to, oldest first. */
  between(id: string, from: number, to: number): Row[] {
    const rows = [...(this.#devices.get(id)?.values() ?? [])].filter(({ at }) => at >= from && at < to);
    return rows.sort((a, b) => a.at - b.at);
  }

  clear(): void {
    this.#devices.clear();
    this.#count = 0;
  }

  /** Lets the oldest rows of every device go until no more than `most` are left. @returns how many went */
  shed(most: number): number {
    const before = this.#count;
    while (this.#count > most) {
      for (const [id, rows] of this.#devices) {
        const oldest = Math.min(...rows.keys());
        rows.delete(oldest);
        this.#count--;
        if (rows.size === 0) this.#devices.delete(id);
      }
    }
    return before - this.#count;
  }
}
