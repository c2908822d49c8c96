import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * Reads the name of the script that index.html of a folder loads; "" while the page is not built. The name contains a hash
 * of all imports, so it identifies the version of the page. The file is read again when it has changed.
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
      // Not built, or being built: viewers keep the page that they have.
      name = "";
      stamp = "";
    }
    return name;
  };
}
