// The agent's pusher against a simulated hub in simulated time.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromBinary } from "@bufbuild/protobuf";
import { afterAll } from "vitest";
import { Pusher } from "../agent/serve/push.ts";
import type { BacklogLimits } from "../agent/upload/backlog.ts";
import type { UploadAnswer, UploadRequest } from "../agent/upload/client.ts";
import { type HostInfo, HostInfoSchema } from "../proto/gen/host_pb.js";
import { SimulatedTime } from "./simulated-time.ts";

const folder = mkdtempSync(join(tmpdir(), "push-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

export const server = "http://hub:5000";
export const takes = { "accept-post": "application/x-protobuf; messageType=gpu.HostInfo" };
export const answer = (status: number, body: unknown = {}, headers: Record<string, string> = {}): UploadAnswer => ({
  status,
  headers,
  text: typeof body === "string" ? body : JSON.stringify(body),
});

interface Begin extends Partial<Pick<SimulatedHub, "state" | "rich" | "ask" | "info">> {
  readonly registered?: boolean;
  readonly room?: BacklogLimits;
}

/** A simulated hub and clock; time advances only by `pass`. Samples have the times of this clock. */
export class SimulatedHub extends SimulatedTime {
  rich = true;
  /** True if answers to reports announce the accepted types, too. */
  tells = false;
  interval = 5;
  version = 1;
  /** A number: the status of every answer. */
  state: "up" | "gone" | number = "up";
  /** Delay of answers in milliseconds. */
  delay = 0;
  /** Times of the samples that the hub accepted. */
  readonly taken: number[] = [];
  readonly asked: { at: number; what: string }[] = [];
  readonly log: string[] = [];
  collections = 0;
  info: (at: number) => HostInfo = (at) => create(HostInfoSchema, { sampled: BigInt(at), cpu: { busy: 1 } });
  readonly pusher: Pusher;
  readonly path = join(folder, `${Math.random()}.json`);

  constructor({ registered = true, room = { count: 1000, bytes: 1e6 }, ...begin }: Begin = {}) {
    super();
    Object.assign(this, begin);
    if (registered) writeFileSync(this.path, JSON.stringify({ token: "t", server }), { mode: 0o600 });
    const log = { info: (line: string) => this.log.push(line), warn: (line: string) => this.log.push(line) };
    this.pusher = new Pusher(
      {
        server,
        path: this.path,
        interval: 0,
        hostname: "box",
        secret: "open sesame",
        ca: "",
        env: {},
        log,
        debug: () => undefined,
        random: () => 0,
        ticks: () => this.now,
        collect: () => {
          this.collections++;
          return Promise.resolve(this.info(this.now));
        },
      },
      {
        ask: (request) => this.ask(request),
        pause: (ms, signal) => this.pause(ms, signal),
        close: () => undefined,
      },
      room,
    );
  }

  async ask({ path, type, body }: UploadRequest): Promise<UploadAnswer> {
    this.asked.push({ at: this.now, what: path.slice(path.lastIndexOf("/") + 1) });
    if (this.delay > 0) await this.pause(this.delay);
    if (this.state === "gone") throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    if (typeof this.state === "number") return answer(this.state);
    if (path.endsWith("register")) return answer(200, { token: "given", status: "ok" });
    const headers = this.rich ? takes : {};
    const { interval: reportIntervalSec, version: configVersion } = this;
    // The configuration has no version: only answers to reports do.
    if (path.endsWith("config")) return answer(200, { reportIntervalSec }, headers);
    const rich = type?.startsWith("application/x-protobuf");
    if (rich && !this.rich) return answer(415);
    // A JSON report has no time of its own.
    this.taken.push(rich && body ? Number(fromBinary(HostInfoSchema, body).sampled) : this.now);
    return answer(200, { ok: true, configVersion }, this.tells ? headers : {});
  }

  times(what: string): number[] {
    return this.asked.filter((each) => each.what === what).map(({ at }) => at);
  }
}
