/** Where the hub says what happens to it: one line each. */
export interface Log {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: names come from other machines and must not steer a terminal
const control = /[\u0000-\u001f\u007f-\u009f]+/g;

/** ISO time, level, plain words. Control characters become spaces, so that a peer's text can never forge a line. */
export function lineLog(write: (line: string) => void, now: () => number): Log {
  const line = (level: string) => (message: string) =>
    write(`${new Date(now()).toISOString()} ${level} ${message.replace(control, " ")}\n`);
  return { info: line("info"), warn: line("warn"), error: line("error") };
}

/** For tests and for parts that have nothing to say. */
export const silent: Log = { info: () => {}, warn: () => {}, error: () => {} };
