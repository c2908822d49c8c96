// Where the files of a report are, and how they are opened: NODE/YYYY-MM-DD/ in the folder of reports, to which others may write.
import { constants } from "node:fs";
import { type FileHandle, lstat, open } from "node:fs/promises";
import { join } from "node:path";
import { dayNumber } from "../../program/zone.ts";
import { isServerName } from "../servers.ts";

export const gpuFile = (index: number, date: string): string => `gpu${index}_${date}.csv`;
export const averageFile = (date: string): string => `average_${date}.csv`;
export const summaryFile = (date: string): string => `summary_${date}.txt`;

/** Name of a folder in that of a day: files are made in it, and only by one program at a time. */
export const partialFolder = ".partial";

/** The index of the GPU in the name of a file of a day; undefined for other files. */
export function gpuOfFile(name: string, date: string): number | undefined {
  const [, index] = /^gpu(0|[1-9]\d{0,4})_/.exec(name) ?? [];
  return index !== undefined && name === gpuFile(Number(index), date) ? Number(index) : undefined;
}

/** True for the names of the files of a day. */
export const isReportFile = (name: string, date: string): boolean =>
  name === averageFile(date) || name === summaryFile(date) || gpuOfFile(name, date) !== undefined;

/** True for "YYYY-MM-DD" of a day that there is. */
export const isReportDate = (date: string): boolean => dayNumber(date) !== undefined;

/** Folders from that of a node to that of a day. @returns undefined if the names are no names of a node and a day */
export function foldersOf(folder: string, node: string, date: string): readonly [string, string] | undefined {
  if (!isServerName(node) || !isReportDate(date)) return undefined;
  return [join(folder, node), join(folder, node, date)];
}

export const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** What is at a path itself; undefined if there is nothing. @throws Error of the file system */
export async function statOf(path: string) {
  try {
    return await lstat(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

/** The folder of a day; undefined unless it and that of its node are folders, as links are not followed. */
export async function dayFolder(folder: string, node: string, date: string): Promise<string | undefined> {
  const folders = foldersOf(folder, node, date);
  if (folders === undefined) return undefined;
  for (const path of folders) if (!(await statOf(path))?.isDirectory()) return undefined;
  return folders[1];
}

// A FIFO must not block, and a link may lead to a file that only the hub may read.
const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * Reads a file of a report that another program may have written.
 * @param mostBytes size beyond which it is not read
 * @returns undefined if there is none, or something else: a link, a FIFO, a folder, a file that is too large
 * @throws Error of the file system, if it may not be read
 */
export async function readFileOf(folder: string, name: string, mostBytes: number): Promise<Buffer | undefined> {
  const path = join(folder, name);
  // Checked before it is opened: opening alone has effects on some devices.
  if (!(await statOf(path))?.isFile()) return undefined;
  let file: FileHandle | undefined;
  try {
    file = await open(path, flags);
    const stats = await file.stat();
    if (!stats.isFile() || stats.size > mostBytes) return undefined;
    const bytes = Buffer.alloc(stats.size + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length);
      length += bytesRead;
      if (bytesRead === 0 || length === bytes.length) break;
    }
    // One that grows meanwhile is read when it is whole.
    return length > stats.size ? undefined : bytes.subarray(0, length);
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ELOOP") return undefined;
    throw error;
  } finally {
    await file?.close();
  }
}
