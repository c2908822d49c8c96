import { readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeFoldersSync } from "../program/folder.ts";
import type { Recorded } from "./machine/capture.ts";

/** First uid of people, by the custom of all Linux systems (login.defs UID_MIN); below are the system's own. */
const people = 1000;
const nobody = 65_534;

/** Directories whose entries contain names that people chose for their pods. */
const personal = ["/var/log/pods"];

/** Removes user names from a recording, and names of pods, which often contain them. */
export function withoutPeople({ capture: { grants: _, ...capture }, files }: Recorded): Recorded {
  const users = Object.entries(capture.users).filter(([uid]) => Number(uid) < people || Number(uid) === nobody);
  const lists = Object.entries(capture.lists).filter(([path]) => !personal.includes(path));
  return {
    capture: { ...capture, users: Object.fromEntries(users), lists: Object.fromEntries(lists) },
    files: new Map([...files].filter(([path]) => path !== "/etc/passwd")),
  };
}

/**
 * Creates the directory unless it exists.
 * @throws Error if it is not empty.
 */
export function makeEmpty(folder: string): void {
  makeFoldersSync(folder);
  if (readdirSync(folder).length > 0) throw new Error(`${folder} is not empty: name a folder that is, or a new one`);
}

/** Writes a recorded machine and its reading into a directory. */
export function writeCapture(folder: string, { capture, files }: Recorded, answer: string): void {
  for (const [path, text] of files) {
    const file = join(folder, path);
    makeFoldersSync(dirname(file));
    writeFileSync(file, text);
  }
  writeFileSync(join(folder, "capture.json"), `${JSON.stringify(capture, null, 2)}\n`);
  writeFileSync(join(folder, "answer.json"), answer);
}
