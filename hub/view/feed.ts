import type { ServerResponse } from "node:http";
import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Context } from "hono";
import { codingFor } from "../../program/accept.ts";
import { Fault } from "../fault.ts";
import type { Mask } from "../privacy.ts";
import { feedRoutes } from "../route/feed.ts";
import { type RouteRequest, serve } from "../route/handler.ts";
import type { Actor } from "../who.ts";
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
 * `GET /feed`: server-sent events whose data is a base64 feed.Event. Encoded once for all viewers who see the same, and with
 * no more of each host than the fleet page draws (proto/glance.ts). `GET /feed/host?name=`: the rest of one host, a feed.Host.
 */
export const feed: View = {
  name: "feed",
  table: {},
  async open(hub) {
    const stream = new Feed(hub);
    return {
      routes: serve(feedRoutes, {
        feedHost: (request) => oneHost(hub, request),
        feed: ({ c, by, current }) => stream.join(c as unknown as Context<{ Bindings: HttpBindings }>, { by, current }),
      }),
      close: async () => stream.close(),
    };
  },
};

/** Size limit of one host's report. */
const detailLimit = 1024 * 1024;

/** @throws Fault host_unknown, busy */
async function oneHost(
  { live, roster, privacy }: HubView,
  { c, by, budget, given: { name } }: RouteRequest<typeof feedRoutes.feedHost>,
): Promise<Response> {
  const host = live.host(roster.keyOf(name));
  if (host === undefined) throw new Fault("host_unknown", `There is no host "${name}".`);
  const reservation = await budget.reserve(c, detailLimit);
  const body = Buffer.from(detail(host, privacy.maskFor(by)));
  reservation.shrink(body.length);
  return new Response(body, {
    // Users of the machine depend on who asks.
    headers: { "Content-Type": "application/x-protobuf", "Cache-Control": "no-store" },
  });
}

/** Interval of checking that viewers may still read: sessions end, and the settings change. */
const checkMs = 5000;

/** Events for viewers who see the same. Nothing is encoded for a stream without viewers. */
interface Stream {
  readonly mask: Mask | undefined;
  readonly encoder: FeedEncoder;
  /** Everything as of the last step, and when it was encoded. */
  whole?: { readonly frame: EventFrame; readonly at: number } | undefined;
}

interface Viewer {
  readonly kind: "plain" | "packed";
  readonly current: () => Actor | undefined;
  readonly stream: Stream;
}

class Feed {
  readonly #hub: HubView;
  readonly #page: () => string;
  /** By what they leave out. Kept, as an encoder knows what its viewers were sent. */
  readonly #streams = new Map<Mask | undefined, Stream>();
  readonly #viewers = new Map<ServerResponse, Viewer>();
  /** Progress of viewers with bytes pending: how many bytes they had taken at the last change, and when it was. */
  readonly #taken = new WeakMap<ServerResponse, { readonly bytes: number; readonly at: number }>();
  readonly #unsubscribe: readonly (() => void)[];
  #sentAt = 0;
  #checkedAt = 0;
  #pending: (() => void) | undefined;
  #cancelBeat: () => void = () => {};

  constructor(hub: HubView) {
    this.#hub = hub;
    this.#page = pageOf(hub.web);
    hub.instruments.read("gohm_viewers", () => [[{}, this.#viewers.size]]);
    this.#unsubscribe = [hub.live.onChange(() => this.#changed()), hub.privacy.onChange(() => this.#dismiss())];
  }

  /** @param current who the viewer is now; undefined if they may no longer read */
  join(
    c: Context<{ Bindings: HttpBindings }>,
    { by, current }: { readonly by: Actor; readonly current: Viewer["current"] },
  ): Response {
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
    const stream = this.#streamOf(this.#hub.privacy.maskFor(by));
    if (kind === "packed") outgoing.write(gzipHeader);
    outgoing.write(this.#everything(stream)[kind]);
    this.#viewers.set(outgoing, { kind, current, stream });
    outgoing.once("close", () => this.#left(outgoing));
    return RESPONSE_ALREADY_SENT;
  }

  /** The first event of a viewer, shared by all that connect within a tick: it carries the hub's clock, the base of ages. */
  #everything(stream: Stream): EventFrame {
    const now = this.#hub.clock.now();
    const old = stream.whole;
    if (old !== undefined && now >= old.at && now < old.at + tickMs) return old.frame;
    const made = { frame: frame(`retry: ${retryMs}\n`, stream.encoder.whole()), at: now };
    stream.whole = made;
    return made.frame;
  }

  close(): void {
    for (const end of this.#unsubscribe) end();
    for (const viewer of this.#viewers.keys()) viewer.destroy();
    this.#viewers.clear();
    this.#rest();
  }

  /** The stream of a new viewer. Nothing was encoded for a stream without viewers, so its encoder is brought up to date. */
  #streamOf(mask: Mask | undefined): Stream {
    if (this.#viewers.size === 0) {
      this.#sentAt = this.#hub.clock.now();
      this.#wind();
    }
    const known = this.#streams.get(mask);
    const stream = known ?? { mask, encoder: new FeedEncoder({ ...this.#hub, page: this.#page, mask }) };
    this.#streams.set(mask, stream);
    if (![...this.#viewers.values()].some((viewer) => viewer.stream === stream)) {
      stream.encoder.step();
      stream.whole = undefined;
    }
    return stream;
  }

  #left(viewer: ServerResponse): void {
    if (this.#viewers.delete(viewer) && this.#viewers.size === 0) this.#rest();
  }

  #drop(viewer: ServerResponse): void {
    viewer.destroy();
    this.#left(viewer);
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
    this.#wind();
    // Also if the clock was set back.
    if (Math.abs(this.#sentAt - this.#checkedAt) >= checkMs) this.#dismiss();
    const frames = new Map<Stream, EventFrame>();
    for (const [viewer, { kind, stream }] of this.#viewers) {
      if (viewer.writableLength > backlogLimit || this.#stalled(viewer)) {
        this.#hub.log.warn(
          "a viewer of the page takes its events too slowly and was dropped; its browser will ask again",
        );
        this.#drop(viewer);
        continue;
      }
      const next = frames.get(stream) ?? frame("", stream.encoder.step());
      frames.set(stream, next);
      stream.whole = undefined;
      viewer.write(next[kind]);
    }
  }

  /**
   * Disconnects viewers that may no longer read, or that now see more or less than their stream has: their browsers ask again.
   */
  #dismiss(): void {
    this.#checkedAt = this.#hub.clock.now();
    for (const [viewer, { current, stream }] of this.#viewers) {
      const by = current();
      if (by === undefined || this.#hub.privacy.maskFor(by) !== stream.mask) this.#drop(viewer);
    }
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
