import { clean } from "../../../proto/clean.ts";
import { fileSize } from "../../../proto/quantity.ts";

/** Milliseconds between two drawings. */
const pauseMs = 100;
const width = 24;

interface Extent {
  readonly bytes: number;
  readonly files: number;
}

/** Draws how far a transfer is, on a terminal; elsewhere it writes nothing. */
export class Progress {
  readonly #out: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly #extent: Extent;
  readonly #begun = performance.now();
  #bytes = 0;
  #file = 0;
  #name = "";
  #drawn = Number.NEGATIVE_INFINITY;
  #isShown = false;

  /** @param extent of all files; bytes are 0 if they are not known */
  constructor(out: NodeJS.WritableStream, extent: Extent) {
    this.#out = out;
    this.#extent = extent;
  }

  begin(name: string): void {
    this.#file++;
    this.#name = clean(name);
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    const now = performance.now();
    if (this.#out.isTTY !== true || now - this.#drawn < pauseMs) return;
    this.#drawn = now;
    this.#isShown = true;
    this.#out.write(`\r\x1b[K${this.#line(now)}`);
  }

  /** Removes the line, so that others can be written. */
  clear(): void {
    if (this.#isShown) this.#out.write("\r\x1b[K");
    this.#isShown = false;
  }

  #line(now: number): string {
    const { bytes, files } = this.#extent;
    const rate = this.#bytes / Math.max(0.001, (now - this.#begun) / 1000);
    const part = bytes > 0 ? Math.min(1, this.#bytes / bytes) : undefined;
    const filled = Math.round((part ?? 0) * width);
    const bar =
      part === undefined ? "" : `[${"#".repeat(filled)}${"-".repeat(width - filled)}] ${Math.floor(part * 100)} % `;
    const count = files > 1 ? ` ${this.#file}/${files}` : "";
    const line = `${bar}${fileSize(this.#bytes)} ${fileSize(rate)}/s${count} ${this.#name}`;
    return line.slice(0, (this.#out.columns ?? 80) - 1);
  }
}
