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

/** The program's log: info and debug on the standard output, errors and warnings on the standard error. */
class Log {
  level: LogLevel = "info";

  error(message: string): void {
    process.stderr.write(`${message}\n`);
  }

  warn(message: string): void {
    if (this.level !== "error") process.stderr.write(`${message}\n`);
  }

  info(message: string): void {
    if (this.level === "info" || this.level === "debug") process.stdout.write(`${message}\n`);
  }

  debug(message: string): void {
    if (this.level === "debug") process.stdout.write(`${message}\n`);
  }
}

export const log = new Log();
