import { readFile } from "node:fs/promises";
import { Shell } from "./shell.ts";

/** Answers each line, the path of a file, with "=" and that file's first line. `read` is of the shell: nothing is started. */
const script = 'while IFS= read -r path; do text=; { IFS= read -r text <"$path"; } 2>/dev/null; echo "=$text"; done';

/**
 * Reads first lines of files in a process of its own. A driver that keeps its reader waiting keeps that process, which
 * holds none of our sockets; a thread of ours would keep this program from ending, and its port from the next one.
 * @param at Path of a file on this system.
 */
export function isolatedReader(
  at: (path: string) => string,
  command = "/bin/sh",
): (path: string) => Promise<string | undefined> {
  let idle: Shell | undefined;
  const shells = new Set<Shell>();
  // One that sleeps would end with its input, one that is kept waiting would not.
  process.once("exit", () => {
    for (const shell of shells) shell.kill();
  });
  return async (path) => {
    const shell = idle ?? new Shell({ command, script });
    idle = undefined;
    shells.add(shell);
    const line = (await shell.ask(at(path)))?.slice(1);
    // A shell that was given up and came back late finds its place taken.
    if (!shell.ended && idle === undefined) idle = shell;
    else {
      shell.end();
      shells.delete(shell);
    }
    const text = shell.started ? line : await direct(at(path));
    return text || undefined;
  };
}

/** Images of containers without a shell have no other reader than us. */
const direct = async (path: string): Promise<string | undefined> =>
  (await readFile(path, "utf8").catch(() => undefined))?.split("\n", 1)[0]; // absence is the answer
