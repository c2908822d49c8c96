import { Readable } from "node:stream";
import type { Context } from "hono";
import { clean } from "../../proto/clean.ts";
import { Fault } from "../fault.ts";

/** Types of bodies that a route takes, each with other names of it. */
export type MediaTypes<T extends string> = Readonly<Record<T, readonly string[]>>;

/**
 * Finds out the type of a body by the head of its request.
 * @throws Fault media_type_refused for any other type, and for compressed bodies: nothing tells how large they become
 */
export function mediaTypeOf<T extends string>(c: Context, types: MediaTypes<T>): T {
  checkCoding(c);
  const type = (c.req.header("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  for (const name of Object.keys(types) as T[]) if (types[name].includes(type)) return name;
  const wanted = Object.values<readonly string[]>(types).map(([first]) => first);
  const given = type === "" ? "none" : JSON.stringify(clean(type, 64));
  throw new Fault("media_type_refused", `The body must have the type ${wanted.join(" or ")}: it has ${given}.`);
}

/** @throws Fault media_type_refused for compressed bodies */
export function checkCoding(c: Context): void {
  const coding = c.req.header("content-encoding")?.trim().toLowerCase() ?? "";
  if (coding !== "" && coding !== "identity") {
    const message = `The body must not be compressed: its Content-Encoding is ${JSON.stringify(clean(coding, 64))}.`;
    throw new Fault("media_type_refused", message);
  }
}

export interface BodyLimits {
  /** Most bytes of all bodies that are read at the same time, and of those of one sender. */
  readonly total: number;
  readonly perSender: number;
}

/** Reads bodies, of which only so many bytes are in memory or on their way: a slow sender must not use up what others need. */
export class BodyReader {
  readonly #limits: BodyLimits;
  readonly #bySender = new Map<string, number>();
  #total = 0;

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  /** Bytes that are reserved. */
  get reserved(): number {
    return this.#total;
  }

  /**
   * Reads a body.
   * @param sender those with the same text share a limit
   * @param most bytes
   * @throws Fault body_too_large, busy, canceled
   */
  async read(c: Context, sender: string, most: number): Promise<Buffer> {
    const declared = declaredLength(c, most);
    const release = this.#reserve(sender, declared ?? most);
    try {
      return await counted(c, most);
    } catch (error) {
      if (error instanceof Fault) throw error;
      throw new Fault("canceled", "The client went away before its request was read.", { cause: error });
    } finally {
      release();
    }
  }

  #reserve(sender: string, bytes: number): () => void {
    const { total, perSender } = this.#limits;
    const own = this.#bySender.get(sender) ?? 0;
    if (own + bytes > perSender || this.#total + bytes > total) {
      throw new Fault("busy", "Too many requests are being received: send this one again in some seconds.");
    }
    this.#total += bytes;
    this.#bySender.set(sender, own + bytes);
    return () => {
      this.#total -= bytes;
      const rest = (this.#bySender.get(sender) ?? 0) - bytes;
      if (rest > 0) this.#bySender.set(sender, rest);
      else this.#bySender.delete(sender);
    };
  }
}

/**
 * Length that the head of a request declares; undefined for a body in chunks. Node reads no more than that.
 * @throws Fault body_too_large
 */
export function declaredLength(c: Context, most: number): number | undefined {
  if (c.req.header("transfer-encoding") !== undefined) return undefined;
  const length = Number(c.req.header("content-length") ?? 0);
  if (length > most) throw tooLarge(most);
  return length;
}

/**
 * The pieces of a body while they arrive. Node's own stream costs half of what the one of the Fetch API around it does; who
 * stops reading does not end it, as the connection has yet to carry the answer.
 * @throws Error of the connection
 */
export function piecesOf(c: Context): AsyncIterable<Buffer> {
  const { incoming } = (c.env ?? {}) as { incoming?: unknown };
  if (incoming instanceof Readable) return incoming.iterator({ destroyOnReturn: false });
  return (c.req.raw.body ?? []) as AsyncIterable<Buffer>;
}

/** @throws Fault body_too_large */
async function counted(c: Context, most: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of piecesOf(c)) {
    size += piece.length;
    if (size > most) throw tooLarge(most);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

const tooLarge = (most: number): Fault =>
  new Fault("body_too_large", `The body must not be larger than ${most} bytes.`);
