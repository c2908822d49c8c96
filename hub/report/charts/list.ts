/** Ids of charts that are kept; a hostile list must not fill the memory. */
const mostIds = 4096;
/** Longest id of a chart, in characters. */
const mostId = 1024;

const [quote, backslash, openBrace, closeBrace, openBracket, closeBracket] = [0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d];
const [colon, comma, space] = [0x3a, 0x2c, 0x20];

/** The place of a character from a place on; the end if there is none. */
function placeOf(character: string, text: string, from: number): number {
  const found = text.indexOf(character, from);
  return found < 0 ? text.length : found;
}

/**
 * Finds the ids of charts in the answer of /api/v1/charts while it arrives. A node has thousands of charts, each with its
 * description: parsing these megabytes at once would delay all else that the hub does.
 */
export class ChartList {
  readonly #wanted: RegExp;
  readonly ids = new Set<string>();
  #depth = 0;
  #state: "start" | "inside" | "end" | "broken" = "start";
  #inText = false;
  /** True after a backslash. */
  #escaped = false;
  /** The text under way, of the two outer objects only. */
  #text = "";
  /** The last text of the outermost object: the key of what follows. */
  #key = "";
  #found = false;
  /** True after a colon. */
  #isValue = false;

  /** @param wanted which ids to keep */
  constructor(wanted: RegExp) {
    this.#wanted = wanted;
  }

  /** True if the answer was an object with a list of charts, and has ended. */
  get complete(): boolean {
    return this.#state === "end" && this.#found;
  }

  /** True if the answer is not an object. */
  get broken(): boolean {
    return this.#state === "broken";
  }

  push(piece: string): void {
    const isPlain = !piece.includes("\\");
    for (let at = 0; at < piece.length && this.#state !== "broken"; at++) {
      const code = piece.charCodeAt(at);
      if (this.#inText) at = this.#endOfText(piece, at, isPlain);
      else if (code === quote) this.#beginText();
      else if (this.#depth > 0 && (code === colon || code === comma)) this.#isValue = code === colon;
      else if (code === openBrace || code === openBracket) this.#open(code);
      else if (code === closeBrace || code === closeBracket) {
        this.#depth--;
        if (this.#depth === 0) this.#state = "end";
        else if (this.#depth < 0) this.#state = "broken";
      } else if (this.#depth === 0 && code > space && code !== 0xfeff) this.#state = "broken";
    }
  }

  #open(code: number): void {
    if (this.#depth === 0 && (code !== openBrace || this.#state !== "start")) {
      this.#state = "broken";
      return;
    }
    this.#state = "inside";
    this.#depth++;
    this.#isValue = false;
    if (this.#depth === 2 && code === openBrace && this.#key === "charts") this.#found = true;
  }

  #beginText(): void {
    if (this.#depth === 0) this.#state = "broken";
    this.#inText = true;
    this.#text = "";
  }

  /** Reads a text from a place on. @param isPlain true if the piece has no backslash @returns the place of its end, or the last one */
  #endOfText(piece: string, from: number, isPlain: boolean): number {
    const at = isPlain && !this.#escaped ? placeOf('"', piece, from) : this.#endOfEscaped(piece, from);
    if (this.#depth <= 2 && this.#text.length <= mostId)
      this.#text += piece.slice(from, Math.min(at, from + mostId + 1));
    if (at < piece.length) {
      this.#inText = false;
      this.#take();
    }
    return at;
  }

  #endOfEscaped(piece: string, from: number): number {
    let at = from;
    for (; at < piece.length; at++) {
      const code = piece.charCodeAt(at);
      if (this.#escaped) this.#escaped = false;
      else if (code === backslash) this.#escaped = true;
      else if (code === quote) break;
    }
    return at;
  }

  #take(): void {
    if (this.#depth === 1 && !this.#isValue) this.#key = this.#text;
    const isKey = this.#depth === 2 && !this.#isValue && this.#key === "charts";
    if (!isKey || this.#text.length > mostId || this.ids.size >= mostIds) return;
    if (this.#wanted.test(this.#text)) this.ids.add(this.#text);
  }
}
