import { isAscii, isUtf8 } from "node:buffer";

/** Encodings of texts that are read. GB18030 contains GBK, as programs on a Chinese Windows write it. */
export type Encoding = "utf-8" | "gb18030";

/** Most bytes without a line end that are decoded as one piece. */
const longest = 1_048_576;

const newline = 10;
const byteOrderMark = "\ufeff";

/**
 * Decodes a text of lines that comes piece by piece, in UTF-8 or GB18030: the first line that is not ASCII decides. Of UTF-8
 * what is not valid becomes U+FFFD. A byte order mark is removed.
 */
export class LineDecoder {
  #rest: Uint8Array = new Uint8Array();
  #decoder: InstanceType<typeof TextDecoder> | undefined;
  #begun = false;

  /** Undefined as long as the text is ASCII. */
  get encoding(): Encoding | undefined {
    return this.#decoder?.encoding as Encoding | undefined;
  }

  /** The lines that are complete with this piece. */
  read(piece: Uint8Array): string {
    const end = piece.lastIndexOf(newline) + 1;
    if (end === 0 && this.#rest.length + piece.length < longest) {
      this.#rest = Buffer.concat([this.#rest, piece]);
      return "";
    }
    const cut = end === 0 ? piece.length : end;
    const whole =
      this.#rest.length === 0 ? piece.subarray(0, cut) : Buffer.concat([this.#rest, piece.subarray(0, cut)]);
    this.#rest = Uint8Array.from(piece.subarray(cut));
    return this.#decode(whole);
  }

  /** What follows the last line end. */
  end(): string {
    const rest = this.#rest;
    this.#rest = new Uint8Array();
    return this.#decode(rest);
  }

  #decode(bytes: Uint8Array): string {
    const text = this.#textOf(bytes);
    const first = !this.#begun && text !== "";
    if (first) this.#begun = true;
    return first && text.startsWith(byteOrderMark) ? text.slice(1) : text;
  }

  #textOf(bytes: Uint8Array): string {
    if (this.#decoder !== undefined) return this.#decoder.decode(bytes);
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const marked = !this.#begun && buffer.subarray(0, 3).equals(Buffer.from(byteOrderMark));
    if (!marked && isAscii(buffer)) return buffer.toString("latin1");
    this.#decoder = decoderOf(marked || isUtf8(buffer) || !isGb18030(buffer) ? "utf-8" : "gb18030");
    return this.#decoder.decode(bytes);
  }
}

const decoderOf = (encoding: Encoding) => new TextDecoder(encoding, { ignoreBOM: true });

function isGb18030(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("gb18030", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
