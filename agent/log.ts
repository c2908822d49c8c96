import { oneLine } from "../proto/clean.ts";

/** Log levels, least verbose first. */
export const levels = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof levels)[number];

const isLevel = (word: string): word is LogLevel => (levels as readonly string[]).includes(word);

/** Levels of Rust programs that are not ours. Errors are always logged: they say why the program ended. */
const others: ReadonlyMap<string, LogLevel> = new Map([
  ["off", "error"],
  ["trace", "debug"],
]);

/**
 * Level that RUST_LOG asks for, as the earlier exporter read it: "info", "debug,hyper=warn", "system_info_exporter=debug". A level
 * without a target counts before those of single targets, of which the most verbose counts.
 * @returns Undefined where it names none.
 */
export function rustLevel(text: string): LogLevel | undefined {
  const found = text.split(",").flatMap((directive) => {
    const [, target, word = ""] = /^(?:(.*)=)?([^=]*)$/s.exec(directive.trim()) ?? [];
    const lower = word.trim().toLowerCase();
    const level = others.get(lower) ?? lower;
    return isLevel(level) ? [{ level, general: target === undefined }] : [];
  });
  const general = found.filter(({ general: every }) => every);
  const ranks = (general.length > 0 ? general.slice(-1) : found).map(({ level }) => levels.indexOf(level));
  return ranks.length > 0 ? levels[Math.max(...ranks)] : undefined;
}

/** Where the log goes, and what of it. */
export interface LogSettings {
  readonly level: LogLevel;
  /** Path of the log file; "" for none. */
  readonly file: string;
  /** True if standard output and standard error get the log, too. */
  readonly console: boolean;
  /** Bytes at which the log file is rotated; Infinity for never. */
  readonly size: number;
  /** Number of earlier log files. */
  readonly keep: number;
}

/** The program's log: info and debug on the standard output, errors and warnings on the standard error, and all in a file. */
class Log {
  level: LogLevel = "info";
  /** False if only the file gets lines; errors are shown all the same. */
  console = true;
  /** Appends a line to the log file, if there is one. */
  file: ((line: string) => void) | undefined;

  error(message: string): void {
    this.#write("error", message);
  }

  warn(message: string): void {
    this.#write("warn", message);
  }

  info(message: string): void {
    this.#write("info", message);
  }

  debug(message: string): void {
    this.#write("debug", message);
  }

  #write(level: LogLevel, message: string): void {
    if (levels.indexOf(level) > levels.indexOf(this.level)) return;
    const stream = level === "error" || level === "warn" ? process.stderr : process.stdout;
    if (this.console || level === "error") stream.write(`${message}\n`);
    // A journal adds time and level to what it gets; a file has them in each line.
    this.file?.(`${new Date().toISOString()} ${level} ${oneLine(message)}\n`);
  }
}

export const log = new Log();
