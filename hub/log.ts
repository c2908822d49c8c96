import { oneLine } from "../proto/clean.ts";

/** The hub's log. Each message is one line. */
export interface Log {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** ISO time, level, plain words. Hidden characters become spaces, so that a peer's text can never forge a line. */
export function lineLog(write: (line: string) => void, now: () => number): Log {
  const line = (level: string) => (message: string) =>
    write(`${new Date(now()).toISOString()} ${level} ${oneLine(message)}\n`);
  return { info: line("info"), warn: line("warn"), error: line("error") };
}

/** Discards every message. */
export const silent: Log = { info: () => {}, warn: () => {}, error: () => {} };
