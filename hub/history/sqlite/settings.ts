import {
  bytes,
  duration,
  limit,
  milliseconds,
  number,
  row,
  SettingError,
  type Table,
  type Values,
} from "../../../program/setting.ts";

export const table = {
  keepSamples: row({
    name: "history.retention.raw",
    env: "GOHM_HISTORY_RETENTION_RAW",
    default: "30d",
    help: "How long every sample is kept.",
    reader: duration("1d"),
  }),
  keepFiveMinutes: row({
    name: "history.retention.5m",
    env: "GOHM_HISTORY_RETENTION_5M",
    default: "1y",
    help: "How long the summaries of five minutes are kept: minimum, maximum, mean and count of each series.",
    reader: duration("1d"),
  }),
  keepHours: row({
    name: "history.retention.1h",
    env: "GOHM_HISTORY_RETENTION_1H",
    default: "forever",
    help: "How long the summaries of an hour are kept.",
    reader: duration("1d"),
  }),
  keepDaily: row({
    name: "history.retention.1d",
    env: "GOHM_HISTORY_RETENTION_1D",
    default: "forever",
    help: "How long the summaries of a day are kept.",
    reader: duration("1d"),
  }),
  maxSize: row({
    name: "history.max_size",
    env: "GOHM_HISTORY_MAX_SIZE",
    default: "",
    help: "Maximum size of the history on disk. If it would grow beyond this size, the oldest samples are deleted early.",
    reader: limit("64MB"),
  }),
  maxDevices: row({
    name: "history.max_devices",
    env: "GOHM_HISTORY_MAX_DEVICES",
    default: 2048,
    help: "Devices (GPUs, filesystems, network interfaces) that the history keeps per machine. If there are more, those not seen for the longest time are removed with their samples, and the page says so.",
    reader: number("devices", 1300, 20_000),
  }),
  keepDays: row({
    name: "history.keep_days",
    env: "GOHM_HISTORY_KEEP_DAYS",
    default: 0,
    help: "Days for which every sample is kept: the old form of history.retention.raw, which it overrides; 0 if it is not set.",
    reader: number("days", 10, 3650),
  }),
} satisfies Table;

type HistorySettings = Values<typeof table>;

/** Retention of samples and of each rollup, in milliseconds; Infinity for ever. */
export interface RetentionTimes {
  readonly raw: number;
  readonly fiveMinutes: number;
  readonly hour: number;
  readonly day: number;
}

export function retention(settings: HistorySettings): RetentionTimes {
  return {
    raw: settings.keepDays > 0 ? settings.keepDays * 86_400_000 : milliseconds(settings.keepSamples),
    fiveMinutes: milliseconds(settings.keepFiveMinutes),
    hour: milliseconds(settings.keepHours),
    day: milliseconds(settings.keepDaily),
  };
}

/** Bytes that history may have on disk; Infinity without a limit. */
export const maxSize = (settings: HistorySettings): number =>
  settings.maxSize === "" ? Number.POSITIVE_INFINITY : bytes(settings.maxSize);

export function notes({ keepDays }: HistorySettings): string[] {
  if (keepDays === 0) return [];
  return [
    `"history.keep_days" is the old form of "history.retention.raw": write {"history": {"retention": {"raw": "${keepDays}d"}}} instead`,
  ];
}

/** Checks that no rollup expires before the finer one, which would leave a gap. @throws SettingError */
export function check(settings: HistorySettings): void {
  const { raw, fiveMinutes, hour, day } = retention(settings);
  const tiers = [
    [settings.keepDays > 0 ? table.keepDays.name : table.keepSamples.name, raw, settings.keepSamples],
    [table.keepFiveMinutes.name, fiveMinutes, settings.keepFiveMinutes],
    [table.keepHours.name, hour, settings.keepHours],
    [table.keepDaily.name, day, settings.keepDaily],
  ] as const;
  tiers.forEach(([name, kept, shown], i) => {
    const finer = tiers[i - 1];
    if (finer === undefined || kept >= finer[1]) return;
    throw new SettingError(
      `Cannot read setting "${name}": must be no shorter than "${finer[0]}": current value is "${shown}"`,
    );
  });
}
