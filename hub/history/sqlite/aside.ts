import { existsSync, renameSync } from "node:fs";

/** Gives a damaged file a name under which nothing uses it. The log of a database means nothing beside another file, so it goes along. */
export function moveAside(path: string): string {
  const free = (n: number): string => (existsSync(`${path}.damaged-${n}`) ? free(n + 1) : `${path}.damaged-${n}`);
  const aside = free(1);
  renameSync(path, aside);
  for (const tail of ["-wal", "-shm", "-journal"]) if (existsSync(path + tail)) renameSync(path + tail, aside + tail);
  return aside;
}
