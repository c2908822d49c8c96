// Makes a folder and those that it is in. Node's own way to do so (`recursive`) never ends, and takes the thread that it runs on,
// where a folder is there in which none can be made: /proc, mount points of an automounter.
import { mkdirSync, statSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";

const rights = 0o777;

/** True if a folder could not be made because of the one that it would be in: it is missing, or a file. */
function isInside(error: unknown, path: string): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return (code === "ENOENT" || code === "ENOTDIR") && dirname(path) !== path;
}

/**
 * Makes a folder and those that it is in.
 * @param mode rights of those that are made, less those of the umask
 * @returns path of the first that was made; undefined if all were there
 * @throws Error of the file system, with the path that is in the way
 */
export async function makeFolders(path: string, mode = rights): Promise<string | undefined> {
  const at = resolve(path);
  const make = async (): Promise<string | undefined> => {
    try {
      await mkdir(at, { mode });
      return at;
    } catch (error) {
      if ((await stat(at).catch(() => undefined))?.isDirectory()) return undefined;
      throw error;
    }
  };
  try {
    return await make();
  } catch (error) {
    if (!isInside(error, at)) throw error;
  }
  const first = await makeFolders(dirname(at), mode);
  const made = await make();
  return first ?? made;
}

/** As `makeFolders`, at once. */
export function makeFoldersSync(path: string, mode = rights): string | undefined {
  const at = resolve(path);
  const make = (): string | undefined => {
    try {
      mkdirSync(at, { mode });
      return at;
    } catch (error) {
      if (isFolder(at)) return undefined;
      throw error;
    }
  };
  try {
    return make();
  } catch (error) {
    if (!isInside(error, at)) throw error;
  }
  const first = makeFoldersSync(dirname(at), mode);
  const made = make();
  return first ?? made;
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false; // missing, or not to be looked at: the error of making it says why
  }
}
