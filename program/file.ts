import { isUtf8 } from "node:buffer";
import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from "node:fs";

/** Size limit for files of settings, secrets and certificates, in bytes. */
export const fileLimit = 4 * 2 ** 20;

/**
 * Reads a whole regular file. A FIFO or a device at the path could block the program for ever, and a huge file would
 * take all its memory: both are refused, without blocking.
 * @throws Error with the system's code, or naming the kind of file at the path
 */
export function readRegular(path: string, limit = fileLimit): Buffer {
  // Checked before it is opened: opening alone has effects on some devices.
  checkKind(path, statSync(path));
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const stats = fstatSync(fd);
    checkKind(path, stats);
    // Files of /proc and /sys have a size of 0: only reading shows their length.
    let bytes = Buffer.allocUnsafe(Math.min(stats.size, limit) + 1);
    let length = 0;
    for (;;) {
      const got = readSync(fd, bytes, length, bytes.length - length, null);
      length += got;
      if (length > limit) throw new Error(`${path} is larger than ${limit} bytes`);
      if (got === 0) return bytes.subarray(0, length);
      if (length === bytes.length) bytes = Buffer.concat([bytes], Math.min(bytes.length * 2 + 4096, limit + 1));
    }
  } finally {
    closeSync(fd);
  }
}

/** As `readRegular`, decoded as UTF-8. @throws Error as `readRegular`, and if it is not UTF-8 */
export function readText(path: string, limit = fileLimit): string {
  const bytes = readRegular(path, limit);
  if (!isUtf8(bytes)) throw new Error(`${path} is not text in UTF-8`);
  return bytes.toString("utf8");
}

/** @throws Error naming the kind of file, unless it is a regular one */
export function checkKind(path: string, stats: Stats): void {
  if (stats.isFile()) return;
  const found = stats.isDirectory()
    ? "a directory"
    : stats.isFIFO()
      ? "a FIFO"
      : stats.isSocket()
        ? "a socket"
        : "a device";
  throw new Error(`${path} is ${found}, not a regular file`);
}
