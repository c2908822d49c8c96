// How time, hosts and metrics become the keys of rows.

const hour = 3_600_000;

/** Samples of one host within one block stand together: in memory first, then in one row for each metric. Milliseconds. */
export const blockMs = 4 * hour;

/** The first time that no key has room for. */
export const latest = Date.UTC(2900, 0);

/** The block, counted from the epoch, that a time falls into. */
export const blockOf = (t: number): number => Math.floor(t / blockMs);

/** Blocks in a day; a block lies within one day. */
export const blocksPerDay = (24 * hour) / blockMs;
export const dayOf = (block: number): number => Math.floor(block / blocksPerDay);

/** Buckets in one row of a summary. */
export const bucketsInRow = 48;

/** Summaries, finest first. A bucket of each is a whole number of the one before, and a block is whole in each but `day`. */
export const tiers = ["five", "hour", "day"] as const;
export type Tier = (typeof tiers)[number];

/** Milliseconds of one bucket. */
export const bucketOf: Readonly<Record<Tier, number>> = { five: 300_000, hour, day: 24 * hour };

/** The row, counted from the epoch, whose buckets hold a time. */
export const spanOf = (tier: Tier, t: number): number => Math.floor(t / (bucketOf[tier] * bucketsInRow));

/** Hosts of one group are sealed together, and their rows lie side by side. */
export const groupSize = 16;
export const groupOf = (host: number): number => Math.floor(host / groupSize);

/** Ids below these fit into a key: 22 bits of time, 14 of group, 10 of metric, 4 of host within its group. */
export const mostHosts = 2 ** 14 * groupSize;
export const mostMetrics = 1024;

/** The row of the times of the polls, in the place of a metric. */
export const timesRow = 0;

/**
 * Time first: rows are then written where the file ends, pages get full, and what is let go is one range. Within a
 * group the metric comes before the host, as a question about a fleet asks for one metric of all.
 */
export function rowKey(span: number, host: number, metric: number): number {
  const group = span * 2 ** 14 + groupOf(host);
  return (group * mostMetrics + metric) * groupSize + (host % groupSize);
}

/** The block or span, counted from the epoch, of the row that a table has for a time. */
export const spanOfTable = (table: "raw" | Tier, t: number): number =>
  table === "raw" ? blockOf(t) : spanOf(table, t);

/** The first key behind those of a host's group in a block or span. */
export const groupEnd = (span: number, host: number): number => rowKey(span, (groupOf(host) + 1) * groupSize, 0);

/** The first key of a block or span. */
export const firstKey = (span: number): number => rowKey(span, 0, 0);

/** The block or span of a key. */
export const spanOfKey = (key: number): number => Math.floor(key / (2 ** 14 * mostMetrics * groupSize));
