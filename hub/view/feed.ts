import type { ServerResponse } from "node:http";
import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Context } from "hono";
import { codingFor } from "../../program/accept.ts";
import { Fault } from "../fault.ts";
import { feedRoutes } from "../route/feed.ts";
import { type RouteRequest, serve } from "../route/handler.ts";
import { pageOf } from "./feed/build.ts";
import { detail, FeedEncoder } from "./feed/encoder.ts";
import { type EventFrame, frame, gzipHeader } from "./feed/frame.ts";
import type { HubView, View } from "./view.ts";

/** Shortest and longest time between two events, and the delay before a browser reconnects. */
const tickMs = 1000;
const beatMs = 15_000;
const retryMs = 2000;
/** Byte limit of the events that a viewer has not read; beyond it the viewer is disconnected. */
const backlogLimit = 8 * 1024 * 1024;
/** How long a viewer may read nothing of pending events: the time of a first event of a megabyte at 8 kB/s. */
const stallMs = 120_000;

/**
 * `GET /feed`: server-sent events whose data is a base64 feed.Event. Encoded once for all viewers, and with no more
 * of each host than the fleet page draws (proto/glance.ts). `GET /feed/host?name=`: the rest of one host, a feed.Host.
 */
export const feed: View = {
  name: "feed",
  table: {},
  async open(hub) {
    const stream = new Feed(hub);
    return {
      routes: serve(feedRoutes, {
        feedHost: (request) => oneHost(hub, request),
        feed: ({ c, current }) =>
          stream.join(c as unknown as Context<{ Bindings: HttpBindings }>, () => current() !== undefined),
      }),
      close: async () => stream.close(),
    };
  },
};

/** Size limit of one host's report. */
const detailLimit = 1024 * 1024;

/** @throws Fault host_unknown, busy */
async function oneHost(
  { live, roster }: HubView,
  { c, budget, given: { name } }: RouteRequest<typeof feedRoutes.feedHost>,
): Promise<Response> {
  const host = live.host(roster.keyOf(name));
  if (host === undefined) throw new Fault("host_unknown", `There is no host "${name}".`);
  const reservation = await budget.reserve(c, detailLimit);
  const body = Buffer.from(detail(host));
  reservation.shrink(body.length);
  return new Response(body, { headers: { "Content-Type": "application/x-protobuf" } });
}

/** Interval of checking that viewers may still read: sessions end, and the settings change. */
const checkMs = 5000;

interface Viewer {
  readonly kind: "plain" | "packed";
  readonly still: () => boolean;
}

class Feed {
  readonly #hub: HubView;
  readonly #encoder: FeedEncoder;
  readonly #viewers = new Map<ServerResponse, Viewer>();
  /** Progress of viewers with bytes pending: how many bytes they had taken at the last change, and when it was. */
  readonly #taken = new WeakMap<ServerResponse, { readonly bytes: number; readonly at: number }>();
  readonly #unsubscribe: () => void;
  /** Everything as of the last step, and when it was encoded. */
  #whole: { readonly frame: EventFrame; readonly at: number } | undefined;
  #sentAt = 0;
  #checkedAt = 0;
  #pending: (() => void) | undefined;
  #cancelBeat: () => void = () => {};

  constructor(hub: HubView) {
    this.#hub = hub;
    this.#encoder = new FeedEncoder({ ...hub, page: pageOf(hub.web) });
    this.#unsubscribe = hub.live.onChange(() => this.#changed());
  }

  /** @param still true while the viewer may read */
  join(c: Context<{ Bindings: HttpBindings }>, still: Viewer["still"]): Response {
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
    // A request for the headers alone is no viewer.
    if (incoming.method === "HEAD") return new Response(null, { headers });
    outgoing.writeHead(200, headers);
    incoming.socket.setNoDelay(true);
    if (this.#viewers.size === 0) this.#begin();
    if (kind === "packed") outgoing.write(gzipHeader);
    outgoing.write(this.#everything()[kind]);
    this.#viewers.set(outgoing, { kind, still });
    outgoing.once("close", () => this.#left(outgoing));
    return RESPONSE_ALREADY_SENT;
  }

  /** The first event of a viewer, shared by all that connect within a tick: it carries the hub's clock, the base of ages. */
  #everything(): EventFrame {
    const now = this.#hub.clock.now();
    const old = this.#whole;
    if (old !== undefined && now >= old.at && now < old.at + tickMs) return old.frame;
    const made = { frame: frame(`retry: ${retryMs}\n`, this.#encoder.whole()), at: now };
    this.#whole = made;
    return made.frame;
  }

  close(): void {
    this.#unsubscribe();
    for (const viewer of this.#viewers.keys()) viewer.destroy();
    this.#viewers.clear();
    this.#rest();
  }

  /** Starts encoding with the first viewer: nothing was encoded without one, so the encoder is brought up to date. */
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
    this.#cancelBeat();
  }

  #changed(): void {
    if (this.#viewers.size === 0 || this.#pending !== undefined) return;
    // At most a tick: the clock of the machine may be set back.
    const pause = Math.min(tickMs, Math.max(0, this.#sentAt + tickMs - this.#hub.clock.now()));
    this.#pending = this.#hub.clock.after(pause, () => this.#send());
  }

  #wind(): void {
    this.#cancelBeat();
    this.#cancelBeat = this.#hub.clock.after(beatMs, () => this.#send());
  }

  #send(): void {
    this.#pending?.();
    this.#pending = undefined;
    this.#sentAt = this.#hub.clock.now();
    const next = frame("", this.#encoder.step());
    this.#whole = undefined;
    this.#wind();
    this.#dismiss();
    for (const [viewer, { kind }] of this.#viewers) {
      if (viewer.writableLength > backlogLimit || this.#stalled(viewer)) {
        this.#hub.log.warn(
          "a viewer of the page takes its events too slowly and was dropped; its browser will ask again",
        );
        viewer.destroy();
      } else viewer.write(next[kind]);
    }
  }

  /** Disconnects viewers that may no longer read: their browsers ask again, and are told to sign in. */
  #dismiss(): void {
    // Also if the clock was set back.
    if (Math.abs(this.#sentAt - this.#checkedAt) < checkMs) return;
    this.#checkedAt = this.#sentAt;
    for (const [viewer, { still }] of this.#viewers) if (!still()) viewer.destroy();
  }

  #stalled(viewer: ServerResponse): boolean {
    const bytes = (viewer.socket?.bytesWritten ?? 0) - viewer.writableLength;
    const before = this.#taken.get(viewer);
    if (viewer.writableLength === 0) this.#taken.delete(viewer);
    else if (before?.bytes !== bytes) this.#taken.set(viewer, { bytes, at: this.#sentAt });
    else return this.#sentAt - before.at >= stallMs;
    return false;
  }
}
