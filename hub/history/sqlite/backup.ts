import { existsSync } from "node:fs";
import { Fault } from "../../fault.ts";
import type { File } from "./database.ts";

/**
 * Copies a database into a new file while it is in use.
 * @param prepare brings into rows what is to be in the copy
 * @throws Fault backup_failed; no file is left then
 */
export async function backUp(file: File, path: string, prepare: () => Promise<void>): Promise<void> {
  if (existsSync(path))
    throw new Fault("backup_failed", `Cannot back up to ${path}: it is there already; name a new file`);
  try {
    await prepare();
    await file.backup(path);
  } catch (error) {
    throw new Fault("backup_failed", `Cannot back up to ${path}: ${(error as Error).message}`, { cause: error });
  }
}
