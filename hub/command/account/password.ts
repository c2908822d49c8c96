import { isUtf8 } from "node:buffer";
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { UsageError } from "../../../program/line.ts";
import { Failure, type Terminal } from "../command.ts";

/** Most bytes that are read of a pipe. */
const longest = 8192;

/** Shows nothing of what is typed. */
const silent = (): Writable => new Writable({ write: (_piece, _encoding, done) => done() });

/**
 * Reads a new password: from a terminal twice and without echo, or from a pipe if that is wanted. It never comes from the
 * command line, which other users of the machine see.
 * @param piped true if it may come from a pipe (--password-stdin)
 * @throws UsageError, Failure
 */
export async function newPassword({ input, prompts }: Terminal, piped: boolean): Promise<string> {
  if (input.isTTY === true) return typed(input, prompts);
  if (piped) return pipedText(input);
  throw new UsageError(
    "There is no terminal to ask for the password: use --password-stdin and a pipe, or --link, with which a person sets one",
  );
}

async function typed(input: Terminal["input"], prompts: Terminal["prompts"]): Promise<string> {
  const lines = createInterface({ input, output: silent(), terminal: true, historySize: 0 });
  // Restores the terminal, which is in raw mode, before Ctrl-C ends the program.
  lines.on("SIGINT", () => {
    lines.close();
    prompts.write("\n");
    process.kill(process.pid, "SIGINT");
  });
  const typing = lines[Symbol.asyncIterator]();
  const ask = async (prompt: string): Promise<string> => {
    prompts.write(prompt);
    const { value, done } = await typing.next();
    prompts.write("\n");
    if (done) throw new Failure("No password was given");
    return value;
  };
  try {
    const password = await ask("New password: ");
    if (password === "") throw new Failure("No password was given");
    if ((await ask("The same again: ")) !== password) throw new Failure("These were two different passwords");
    return password;
  } finally {
    lines.close();
  }
}

/** The only line of a pipe. @throws Failure */
async function pipedText(input: Terminal["input"]): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of input) {
    const bytes = Buffer.from(piece as string | Buffer);
    size += bytes.length;
    if (size > longest) throw new Failure(`The password on standard input is longer than ${longest} bytes`);
    pieces.push(bytes);
  }
  const bytes = Buffer.concat(pieces);
  if (!isUtf8(bytes)) throw new Failure("The password on standard input is not text in UTF-8");
  const text = bytes.toString("utf8").replace(/\r?\n$/, "");
  if (text === "") throw new Failure("There is no password on standard input");
  if (/[\r\n]/.test(text)) throw new Failure("There is more than one line on standard input: a password is one line");
  return text;
}
