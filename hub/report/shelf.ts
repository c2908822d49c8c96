import { opendir, readdir } from "node:fs/promises";
import { compareNames } from "../../proto/summary.ts";
import { isServerName } from "../servers.ts";
import { averageFile, codeOf, dayFolder, gpuOfFile, isReportFile, readFileOf, summaryFile } from "./place.ts";

/** Most bytes of a file that is sent: a summary has a paragraph for each task. */
export const mostFileBytes = 16_777_216;

/** True for a file of a report that names people. */
export const namesUsers = (name: string, date: string): boolean => gpuOfFile(name, date) === undefined;

/** Names of the files of a report, each GPU's first; none if there is no such report. @throws Error of the file system */
export async function filesOfReport(folder: string, node: string, date: string): Promise<readonly string[]> {
  try {
    const path = await dayFolder(folder, node, date);
    const found = path === undefined ? [] : await readdir(path, { withFileTypes: true });
    const names = found.flatMap((one) => (one.isFile() && isReportFile(one.name, date) ? one.name : []));
    const gpus = names.filter((name) => !namesUsers(name, date)).sort(compareNames);
    return [...gpus, ...[averageFile(date), summaryFile(date)].filter((name) => names.includes(name))];
  } catch (error) {
    // It was removed meanwhile.
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

/**
 * Reads a file of a report: nothing else in the folder, and nothing outside of it, also by a symbolic link.
 * @returns undefined if there is none, or one of more than `mostFileBytes`
 * @throws Error of the file system
 */
export async function readReportFile(
  folder: string,
  { node, date, file }: { readonly node: string; readonly date: string; readonly file: string },
): Promise<Uint8Array | undefined> {
  if (!isReportFile(file, date)) return undefined;
  const path = await dayFolder(folder, node, date);
  return path === undefined ? undefined : readFileOf(path, file, mostFileBytes);
}

/** True if a folder has a folder that may be a node's. */
export async function isShelf(folder: string): Promise<boolean> {
  try {
    for await (const entry of await opendir(folder))
      if (entry.isDirectory() && !entry.name.startsWith(".") && isServerName(entry.name)) return true;
  } catch {
    // Missing, or not readable: there are none to be seen.
  }
  return false;
}
