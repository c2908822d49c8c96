import { existsSync } from "node:fs";
import { Fault } from "../../fault.ts";
import type { File } from "./database.ts";

/**
 * Copies a database into a new file while it is in use.
 * @param prepare is called before, to compact what the copy shall contain
 * @throws Fault backup_failed
 */
export async function backUp(file: File, path: string, prepare: () => Promise<void>): Promise<void> {
  if (existsSync(path))
    throw new Fault("backup_failed", `Cannot back up to ${path}: it already exists; name a new file`);
  try {
    await prepare();
    await file.backup(path);
  } catch (error) {
    throw new Fault("backup_failed", `Cannot back up to ${path}: ${(error as Error).message}`, { cause: error });
  }
}
