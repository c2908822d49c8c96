// Keys of rows: time, group of hosts, metric, host.

const hour = 3_600_000;

/** Length of a block. Samples of one host within one block are kept together, in memory, then in one row for each metric. */
export const blockMs = 4 * hour;

/** The first time that does not fit into a key. */
export const latest = Date.UTC(2900, 0);

/** Returns the block of a time, counted from the epoch. */
export const blockOf = (t: number): number => Math.floor(t / blockMs);

/** A block lies within one day. */
export const blocksPerDay = (24 * hour) / blockMs;
export const dayOf = (block: number): number => Math.floor(block / blocksPerDay);

/** Buckets in one row of a rollup. */
export const bucketsInRow = 48;

/** Rollups, finest first. Each bucket is a whole number of those of the tier before; a block is whole buckets of each but `day`. */
export const tiers = ["five", "hour", "day"] as const;
export type Tier = (typeof tiers)[number];

/** Length of a bucket in milliseconds. */
export const bucketOf: Readonly<Record<Tier, number>> = { five: 300_000, hour, day: 24 * hour };

/** Returns the row, counted from the epoch, with the bucket of a time. */
export const spanOf = (tier: Tier, t: number): number => Math.floor(t / (bucketOf[tier] * bucketsInRow));

/** Hosts of a group are compacted together, and their rows are adjacent. */
export const groupSize = 16;
export const groupOf = (host: number): number => Math.floor(host / groupSize);

/** Limits of ids: a key has 22 bits of time, 14 of group, 10 of metric, 4 of host within its group. */
export const mostHosts = 2 ** 14 * groupSize;
export const mostMetrics = 1024;

/** Keys of a group of hosts in one block or span. */
export const groupKeys = mostMetrics * groupSize;

/** Stands for a metric in the key of the row with the times of the polls. */
export const timesRow = 0;

/**
 * Builds a key. Time comes first: rows are written at the end of the file, which fills its pages, and expire as one range.
 * Within a group the metric comes before the host: a query on the fleet reads one metric of all hosts.
 */
export function rowKey(span: number, host: number, metric: number): number {
  const group = span * 2 ** 14 + groupOf(host);
  return (group * mostMetrics + metric) * groupSize + (host % groupSize);
}

/** Returns the block (raw) or span (rollups) of a time. */
export const spanOfTable = (table: "raw" | Tier, t: number): number =>
  table === "raw" ? blockOf(t) : spanOf(table, t);

/** Returns the first key behind those of a host's group in a block or span. */
export const groupEnd = (span: number, host: number): number => rowKey(span, (groupOf(host) + 1) * groupSize, 0);

/** Returns the first key of a block or span. */
export const firstKey = (span: number): number => rowKey(span, 0, 0);

/** Returns the block or span of a key. */
export const spanOfKey = (key: number): number => Math.floor(key / (2 ** 14 * groupKeys));
