import type { ServerResponse } from "node:http";
import { constants, deflateRawSync } from "node:zlib";
import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Context } from "hono";
import { Encoder } from "./feed/encoder.ts";
import type { Sight, View } from "./view.ts";

/** Least time between two events, most time without one, and how long a browser waits before it asks again. Milliseconds. */
const tick = 1000;
const beat = 15_000;
const retry = 2000;
/** A viewer that has this many bytes still to take is too slow, and is dropped: it may come back for everything. */
const backlog = 8 * 1024 * 1024;

const gzipHeader = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);

/** `GET /feed`: server-sent events whose data is a base64 feed.Event. Encoded once, however many watch. */
export const feed: View = {
  name: "feed",
  async open(sight) {
    const stream = new Feed(sight);
    return {
      routes: (app) => {
        app.get("/feed", (c) => stream.join(c as unknown as Context<{ Bindings: HttpBindings }>));
      },
      close: async () => stream.close(),
    };
  },
};

/** One event, as plain text and as a piece of a gzip stream that needs none of the pieces before it. */
interface Frame {
  readonly plain: Buffer;
  readonly packed: Buffer;
}

class Feed {
  readonly #sight: Sight;
  readonly #encoder: Encoder;
  readonly #viewers = new Map<ServerResponse, "plain" | "packed">();
  readonly #unsubscribe: () => void;
  #whole: Frame | undefined;
  #sentAt = 0;
  #pending: (() => void) | undefined;
  #beat: () => void = () => {};

  constructor(sight: Sight) {
    this.#sight = sight;
    this.#encoder = new Encoder(sight);
    this.#unsubscribe = sight.live.onChange(() => this.#changed());
  }

  join(c: Context<{ Bindings: HttpBindings }>): Response {
    const { incoming, outgoing } = c.env;
    const kind = /\bgzip\b/.test(c.req.header("accept-encoding") ?? "") ? "packed" : "plain";
    outgoing.writeHead(200, {
      "Content-Type": "text/event-stream; charset=utf-8",
      "Cache-Control": "no-store, no-transform",
      // nginx would otherwise hold events back until its buffer is full.
      "X-Accel-Buffering": "no",
      "X-Content-Type-Options": "nosniff",
      Vary: "Accept-Encoding",
      ...(kind === "packed" ? { "Content-Encoding": "gzip" } : {}),
    });
    incoming.socket.setNoDelay(true);
    if (this.#viewers.size === 0) this.#begin();
    this.#whole ??= frame(`retry: ${retry}\n`, this.#encoder.whole());
    if (kind === "packed") outgoing.write(gzipHeader);
    outgoing.write(this.#whole[kind]);
    this.#viewers.set(outgoing, kind);
    outgoing.once("close", () => this.#left(outgoing));
    return RESPONSE_ALREADY_SENT;
  }

  close(): void {
    this.#unsubscribe();
    for (const viewer of this.#viewers.keys()) viewer.destroy();
    this.#viewers.clear();
    this.#rest();
  }

  /** Nobody watched until now: nothing was encoded, so what was sent last is brought up to the present first. */
  #begin(): void {
    this.#encoder.step();
    this.#whole = undefined;
    this.#sentAt = this.#sight.clock.now();
    this.#wind();
  }

  #left(viewer: ServerResponse): void {
    this.#viewers.delete(viewer);
    if (this.#viewers.size === 0) this.#rest();
  }

  #rest(): void {
    this.#pending?.();
    this.#pending = undefined;
    this.#beat();
  }

  #changed(): void {
    if (this.#viewers.size === 0 || this.#pending !== undefined) return;
    // Never more than a tick: the clock of the machine may be set back.
    const pause = Math.min(tick, Math.max(0, this.#sentAt + tick - this.#sight.clock.now()));
    this.#pending = this.#sight.clock.after(pause, () => this.#send());
  }

  #wind(): void {
    this.#beat();
    this.#beat = this.#sight.clock.after(beat, () => this.#send());
  }

  #send(): void {
    this.#pending?.();
    this.#pending = undefined;
    this.#sentAt = this.#sight.clock.now();
    const next = frame("", this.#encoder.step());
    this.#whole = undefined;
    this.#wind();
    for (const [viewer, kind] of this.#viewers) {
      if (viewer.writableLength > backlog) {
        this.#sight.log.warn(
          "a viewer of the page takes its events too slowly and was dropped; its browser will ask again",
        );
        viewer.destroy();
      } else viewer.write(next[kind]);
    }
  }
}

function frame(before: string, event: Uint8Array): Frame {
  const plain = Buffer.from(`${before}data: ${Buffer.from(event).toString("base64")}\n\n`);
  // A full flush ends on a byte and refers to nothing before it, so one packed event fits into every viewer's stream.
  const packed = deflateRawSync(plain, { finishFlush: constants.Z_FULL_FLUSH });
  return { plain, packed };
}
