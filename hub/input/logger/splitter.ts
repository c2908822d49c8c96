const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];
const byteOrderMark = [0xef, 0xbb, 0xbf];

/** An element of an array, as its bytes; undefined if it is longer than the limit. */
export type Element = Buffer | undefined;

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/**
 * Splits a JSON array into its elements while it arrives, without parsing it: an array of hours is never in memory as a
 * whole. An object is one element. Whether an element is valid JSON is for the reader to find out.
 */
export class Splitter {
  readonly #limit: number;
  /** Bytes of the element under way that came with earlier pieces. */
  #carry: Buffer[] = [];
  #carried = 0;
  #state: "start" | "array" | "object" | "end" = "start";
  /** Open brackets and braces within the element. */
  #depth = 0;
  #inText = false;
  /** Backslashes before the next byte, of which an odd number escapes it. */
  #escapes = 0;
  /** True if the element has a byte that is not a space. */
  #begun = false;
  /** True if a comma came before the element, so that there must be one. */
  #expected = false;
  #tooLong = false;
  #marks = 0;
  #junk = false;

  /** @param limit most bytes of an element */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** What the text is; undefined before its first character. */
  get form(): "array" | "object" | undefined {
    return this.#form;
  }
  #form: "array" | "object" | undefined;

  /** True if the text has ended as it must. */
  get complete(): boolean {
    return this.#state === "end" && !this.#junk;
  }

  /** True if the text is neither an array nor an object, or does not end where it must: nothing further is an element. */
  get broken(): boolean {
    return this.#junk;
  }

  /** Takes the next bytes. @returns the elements that end in them */
  *push(piece: Buffer): Generator<Element> {
    if (piece.length === 0) return;
    let start = 0;
    for (let at = this.#inText ? this.#endOfText(piece, 0) + 1 : 0; at < piece.length && !this.#junk; at++) {
      const byte = piece[at] ?? 0;
      if (this.#state === "start" || this.#state === "end") {
        if (this.#open(byte)) start = byte === openBrace ? at : at + 1;
        continue;
      }
      if (byte === quote) {
        this.#begun = true;
        this.#inText = true;
        at = this.#endOfText(piece, at + 1);
      } else if (byte === openBracket || byte === openBrace) {
        this.#begun = true;
        this.#depth++;
      } else if (byte === closeBracket || byte === closeBrace) {
        if (this.#depth > 0) {
          this.#depth--;
          if (this.#depth > 0 || this.#state === "array") continue;
          yield this.#element(piece.subarray(start, at + 1));
          this.#state = "end";
          continue;
        }
        if (byte === closeBrace) this.#junk = true;
        if (this.#begun || this.#expected || this.#junk) yield this.#element(piece.subarray(start, at));
        this.#state = "end";
      } else if (byte === comma && this.#depth === 0) {
        yield this.#element(piece.subarray(start, at));
        this.#expected = true;
        start = at + 1;
      } else if (!this.#begun && !isSpace(byte)) this.#begun = true;
    }
    if (this.#state === "array" || this.#state === "object") this.#keep(piece.subarray(start));
  }

  /** Takes a byte outside of array and object. @returns true if one of them begins with it */
  #open(byte: number): boolean {
    if (this.#state === "start" && byte === byteOrderMark[this.#marks]) {
      this.#marks++;
      return false;
    }
    if (isSpace(byte)) return false;
    if (this.#state === "start" && (byte === openBracket || byte === openBrace)) {
      this.#state = byte === openBracket ? "array" : "object";
      this.#form = this.#state;
      if (byte === openBrace) this.#depth = 1;
      return true;
    }
    this.#junk = true;
    return false;
  }

  /** Place of the quote that ends a text; the length of the piece if it does not end in it. @param from where to look */
  #endOfText(piece: Buffer, from: number): number {
    // The text may have stopped in the middle of an escape.
    let least = from;
    if (from === 0 && this.#escapes % 2 === 1) least = 1;
    this.#escapes = 0;
    for (let end = piece.indexOf(quote, least); end >= 0; end = piece.indexOf(quote, end + 1)) {
      let escapes = 0;
      while (end - 1 - escapes >= least && piece[end - 1 - escapes] === backslash) escapes++;
      if (escapes % 2 === 1) continue;
      this.#inText = false;
      return end;
    }
    let last = piece.length;
    while (last > least && piece[last - 1] === backslash) last--;
    this.#escapes = piece.length - last;
    return piece.length;
  }

  #element(rest: Buffer): Element {
    const element = this.#carry.length === 0 ? rest : Buffer.concat([...this.#carry, rest]);
    const fits = !this.#tooLong && element.length <= this.#limit;
    this.#carry = [];
    this.#carried = 0;
    this.#begun = false;
    this.#expected = false;
    this.#tooLong = false;
    return fits ? element : undefined;
  }

  /** Keeps the beginning of an element, of which the rest comes with later pieces. */
  #keep(bytes: Buffer): void {
    if (bytes.length === 0 || this.#tooLong) return;
    this.#carried += bytes.length;
    if (this.#carried <= this.#limit) {
      // A copy: the piece may be a part of a larger buffer, or used again.
      this.#carry.push(Buffer.from(bytes));
      return;
    }
    this.#tooLong = true;
    this.#carry = [];
  }
}
