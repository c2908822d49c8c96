import { hidden } from "../proto/clean.ts";

/** Where the hub says what happens to it: one line each. */
export interface Log {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

// Names come from other machines: they must not steer a terminal, nor make a line read as another.
const unseen = new RegExp(`${hidden.source}+`, "gu");

/** ISO time, level, plain words. Hidden characters become spaces, so that a peer's text can never forge a line. */
export function lineLog(write: (line: string) => void, now: () => number): Log {
  const line = (level: string) => (message: string) =>
    write(`${new Date(now()).toISOString()} ${level} ${message.replace(unseen, " ")}\n`);
  return { info: line("info"), warn: line("warn"), error: line("error") };
}

/** For tests and for parts that have nothing to say. */
export const silent: Log = { info: () => {}, warn: () => {}, error: () => {} };
