import type { ServerResponse } from "node:http";
import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Context } from "hono";
import { codingFor } from "../../program/accept.ts";
import { Fault } from "../fault.ts";
import { feedRoutes } from "../route/feed.ts";
import { type RouteRequest, serve } from "../route/handler.ts";
import { pageOf } from "./feed/build.ts";
import { detail, Encoder } from "./feed/encoder.ts";
import { type Frame, frame, gzipHeader } from "./feed/frame.ts";
import type { HubView, View } from "./view.ts";

/** Least time between two events, most time without one, and how long a browser waits before it asks again. Milliseconds. */
const tick = 1000;
const beat = 15_000;
const retry = 2000;
/** A viewer that has this many bytes still to take is too slow, and is dropped: it may come back for everything. */
const backlog = 8 * 1024 * 1024;
/** So is one that takes nothing of it for this long: a first event of a megabyte takes that at 8 kB/s. Milliseconds. */
const stall = 120_000;

/**
 * `GET /feed`: server-sent events whose data is a base64 feed.Event. Encoded once, however many watch, and with no more
 * of each host than is drawn of all (proto/glance.ts). `GET /feed/host?name=`: the rest of one host, a feed.Host.
 */
export const feed: View = {
  name: "feed",
  table: {},
  async open(hub) {
    const stream = new Feed(hub);
    return {
      routes: serve(feedRoutes, {
        feedHost: (request) => oneHost(hub, request),
        feed: ({ c }) => stream.join(c as unknown as Context<{ Bindings: HttpBindings }>),
      }),
      close: async () => stream.close(),
    };
  },
};

/** Bytes of what one host may say. */
const mostDetail = 1024 * 1024;

/** @throws Fault host_unknown, busy */
async function oneHost(
  { live }: HubView,
  { c, budget, given: { name } }: RouteRequest<typeof feedRoutes.feedHost>,
): Promise<Response> {
  const host = live.host(name);
  if (host === undefined) throw new Fault("host_unknown", `There is no host "${name}" in the settings.`);
  const reservation = await budget.reserve(c, mostDetail);
  const body = Buffer.from(detail(host));
  reservation.shrink(body.length);
  return new Response(body, { headers: { "Content-Type": "application/x-protobuf" } });
}

class Feed {
  readonly #hub: HubView;
  readonly #encoder: Encoder;
  readonly #viewers = new Map<ServerResponse, "plain" | "packed">();
  /** Progress of viewers with bytes pending: how many bytes they had taken at the last change, and when it was. */
  readonly #taken = new WeakMap<ServerResponse, { readonly bytes: number; readonly at: number }>();
  readonly #unsubscribe: () => void;
  /** Everything as of the last step, and when it was encoded. */
  #whole: { readonly frame: Frame; readonly at: number } | undefined;
  #sentAt = 0;
  #pending: (() => void) | undefined;
  #beat: () => void = () => {};

  constructor(hub: HubView) {
    this.#hub = hub;
    this.#encoder = new Encoder({ ...hub, page: pageOf(hub.web) });
    this.#unsubscribe = hub.live.onChange(() => this.#changed());
  }

  join(c: Context<{ Bindings: HttpBindings }>): Response {
    const { incoming, outgoing } = c.env;
    const kind = codingFor(c.req.header("accept-encoding"), ["gzip"]) === "gzip" ? "packed" : "plain";
    const headers = {
      "Content-Type": "text/event-stream; charset=utf-8",
      "Cache-Control": "no-store, no-transform",
      // nginx would otherwise hold events back until its buffer is full.
      "X-Accel-Buffering": "no",
      Vary: "Accept-Encoding",
      ...(kind === "packed" ? { "Content-Encoding": "gzip" } : {}),
    };
    // Whoever asks for the headers alone is no viewer.
    if (incoming.method === "HEAD") return new Response(null, { headers });
    outgoing.writeHead(200, headers);
    incoming.socket.setNoDelay(true);
    if (this.#viewers.size === 0) this.#begin();
    if (kind === "packed") outgoing.write(gzipHeader);
    outgoing.write(this.#everything()[kind]);
    this.#viewers.set(outgoing, kind);
    outgoing.once("close", () => this.#left(outgoing));
    return RESPONSE_ALREADY_SENT;
  }

  /** The first event of a viewer. One for all who come within a tick: it carries the hub's clock, against which ages are counted. */
  #everything(): Frame {
    const now = this.#hub.clock.now();
    const old = this.#whole;
    if (old !== undefined && now >= old.at && now < old.at + tick) return old.frame;
    const made = { frame: frame(`retry: ${retry}\n`, this.#encoder.whole()), at: now };
    this.#whole = made;
    return made.frame;
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
    this.#sentAt = this.#hub.clock.now();
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
    const pause = Math.min(tick, Math.max(0, this.#sentAt + tick - this.#hub.clock.now()));
    this.#pending = this.#hub.clock.after(pause, () => this.#send());
  }

  #wind(): void {
    this.#beat();
    this.#beat = this.#hub.clock.after(beat, () => this.#send());
  }

  #send(): void {
    this.#pending?.();
    this.#pending = undefined;
    this.#sentAt = this.#hub.clock.now();
    const next = frame("", this.#encoder.step());
    this.#whole = undefined;
    this.#wind();
    for (const [viewer, kind] of this.#viewers) {
      if (viewer.writableLength > backlog || this.#stalled(viewer)) {
        this.#hub.log.warn(
          "a viewer of the page takes its events too slowly and was dropped; its browser will ask again",
        );
        viewer.destroy();
      } else viewer.write(next[kind]);
    }
  }

  #stalled(viewer: ServerResponse): boolean {
    const bytes = (viewer.socket?.bytesWritten ?? 0) - viewer.writableLength;
    const before = this.#taken.get(viewer);
    if (viewer.writableLength === 0) this.#taken.delete(viewer);
    else if (before?.bytes !== bytes) this.#taken.set(viewer, { bytes, at: this.#sentAt });
    else return this.#sentAt - before.at >= stall;
    return false;
  }
}
