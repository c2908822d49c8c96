import { readFile } from "node:fs/promises";
import { Shell } from "./shell.ts";

/** Answers each line, the path of a file, with "=" and that file's first line. `read` is of the shell: nothing is started. */
const script = 'while IFS= read -r path; do text=; { IFS= read -r text <"$path"; } 2>/dev/null; echo "=$text"; done';

/**
 * Makes a function that reads first lines of files in another process. A driver that blocks its reader blocks that process,
 * which has none of our sockets; a thread would keep this program from ending, and its port in use.
 * @param at Maps a path of the machine to one of this system.
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
    // A shell that was abandoned and answers late may have been replaced.
    if (!shell.ended && idle === undefined) idle = shell;
    else {
      shell.end();
      shells.delete(shell);
    }
    const text = shell.started ? line : await direct(at(path));
    return text || undefined;
  };
}

/** Reads the file directly, for container images without a shell. */
const direct = async (path: string): Promise<string | undefined> =>
  (await readFile(path, "utf8").catch(() => undefined))?.split("\n", 1)[0]; // absence is the answer
