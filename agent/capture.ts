import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Recorded } from "./machine/capture.ts";

/** First uid of people, by the custom of all Linux systems (login.defs UID_MIN); below are the system's own. */
const people = 1000;
const nobody = 65_534;

/** What was recorded, without the names of people. */
export function withoutPeople({ capture, files }: Recorded): Recorded {
  const users = Object.entries(capture.users).filter(([uid]) => Number(uid) < people || Number(uid) === nobody);
  return {
    capture: { ...capture, users: Object.fromEntries(users) },
    files: new Map([...files].filter(([path]) => path !== "/etc/passwd")),
  };
}

/**
 * Makes the folder where there is none.
 * @throws Error when something is in it already.
 */
export function makeEmpty(folder: string): void {
  mkdirSync(folder, { recursive: true });
  if (readdirSync(folder).length > 0) throw new Error(`${folder} is not empty: name a folder that is, or a new one`);
}

/** Writes a recorded machine, and what was answered from it, into a folder. */
export function writeCapture(folder: string, { capture, files }: Recorded, answer: string): void {
  for (const [path, text] of files) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  writeFileSync(join(folder, "capture.json"), `${JSON.stringify(capture, null, 2)}\n`);
  writeFileSync(join(folder, "answer.json"), answer);
}
