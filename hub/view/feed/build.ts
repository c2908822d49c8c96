import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * Name of the script that index.html of a folder loads; "" while the page is not built. It carries a hash of everything
 * it imports, so it names the version of the page. The file is read again when it is another one than before.
 */
export function pageOf(web: string): () => string {
  const index = join(web, "index.html");
  let stamp = "";
  let name = "";
  return () => {
    try {
      const { ino, size, mtimeMs } = statSync(index);
      const seen = `${ino} ${size} ${mtimeMs}`;
      if (seen !== stamp) {
        name = /<script[^>]* src="([^"]+)"/.exec(readFileSync(index, "utf8"))?.[1] ?? "";
        stamp = seen;
      }
    } catch {
      // Not built, or being built: no viewer needs to change to what is not there.
      name = "";
      stamp = "";
    }
    return name;
  };
}
