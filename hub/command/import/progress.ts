import { bar, ProgressLine } from "../../../program/progress-line.ts";
import { clean } from "../../../proto/clean.ts";
import { fileSize } from "../../../proto/quantity.ts";

interface Extent {
  readonly bytes: number;
  readonly files: number;
}

/** Draws how far a transfer is, on a terminal; elsewhere it writes nothing. */
export class Progress {
  readonly #line: ProgressLine;
  readonly #extent: Extent;
  readonly #begun = performance.now();
  #bytes = 0;
  #file = 0;
  #name = "";

  /** @param extent of all files; bytes are 0 if they are not known */
  constructor(out: NodeJS.WritableStream, extent: Extent) {
    this.#line = new ProgressLine(out);
    this.#extent = extent;
  }

  begin(name: string): void {
    this.#file++;
    this.#name = clean(name);
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    this.#line.draw(() => this.#text());
  }

  /** Removes the line, so that others can be written. */
  clear(): void {
    this.#line.clear();
  }

  #text(): string {
    const { bytes, files } = this.#extent;
    const rate = this.#bytes / Math.max(0.001, (performance.now() - this.#begun) / 1000);
    const part = bytes > 0 ? `${bar(this.#bytes / bytes)} ` : "";
    const count = files > 1 ? ` ${this.#file}/${files}` : "";
    return `${part}${fileSize(this.#bytes)} ${fileSize(rate)}/s${count} ${this.#name}`;
  }
}
