// The agent's client of the logger against a simulated server in simulated time.
import { create } from "@bufbuild/protobuf";
import { LoggerClient } from "../agent/serve/logger.ts";
import type { BacklogLimits } from "../agent/upload/backlog.ts";
import type { UploadAnswer, UploadRequest } from "../agent/upload/client.ts";
import { type GPUInfo, GPUInfoSchema, type HostInfo, HostInfoSchema } from "../proto/gen/host_pb.js";
import { SimulatedTime } from "./simulated-time.ts";

/** A record as the server got it. */
export type Received = Readonly<Record<string, unknown>>;

/** Keys that each record must have for the first servers. */
const required = (
  "timestamp gpu_id gpu_name utilization_gpu utilization_memory memory_total memory_used memory_free temperature " +
  "power_draw power_limit fan_speed client_name"
).split(" ");

const complete = (record: Received): boolean =>
  required.every((key) => record[key] !== undefined && record[key] !== null);

/** A card of which every reading is known. */
export const card = (id: number, without?: "temp" | "power"): GPUInfo => {
  const gpu = create(GPUInfoSchema, {
    id,
    name: "H100",
    utilization: 97,
    memUtilization: 61,
    memUsed: 5n * 2n ** 30n,
    memTotal: 80n * 2n ** 30n,
    temp: 62,
    power: 612_345,
    powerLimit: 700_000,
  });
  if (without !== undefined) delete gpu[without];
  return gpu;
};

interface Begin extends Partial<Pick<SimulatedServer, "cards" | "state" | "generation" | "refuses">> {
  readonly network?: Partial<LoggerNetwork>;
  readonly room?: BacklogLimits;
}

interface LoggerNetwork {
  readonly maxRetries: number;
  readonly retryDelay: number;
  readonly retryBackoff: number;
  readonly batchSize: number;
  readonly batchInterval: number;
}

/** A simulated server and clock. Readings have the times of this clock. */
export class SimulatedServer extends SimulatedTime {
  /** 2: refuses a whole array for one record that lacks a reading; 4: judges each alone; "hub": takes all. */
  generation: 2 | 4 | "hub" = 2;
  /** "deaf": never answers. A number: the status of every answer. A text: the body of every answer, with status 200. */
  state: "up" | "gone" | "deaf" | number | { readonly body: string } = "up";
  refuses: (record: Received) => boolean = () => false;
  /** Most records of one request. */
  longest = Number.POSITIVE_INFINITY;
  readonly taken: Received[] = [];
  /** Requests to the path of records. */
  readonly asked: { readonly at: number; readonly count: number; readonly status: number }[] = [];
  /** Other requests. */
  readonly others: string[] = [];
  readonly log: string[] = [];
  cards: (at: number) => GPUInfo[] = () => [card(0)];
  readonly client: LoggerClient;

  constructor({ network, room, ...begin }: Begin = {}) {
    super();
    Object.assign(this, begin);
    const log = (line: string): void => void this.log.push(line);
    this.client = new LoggerClient(
      {
        config: {
          clientName: "box",
          interval: 5,
          server: "http://logger:5000",
          endpoint: "/api/receive-data",
          connectionTimeout: 30,
          readTimeout: 60,
          network: { maxRetries: 3, retryDelay: 5, retryBackoff: 2, batchSize: 2, batchInterval: 30, ...network },
          readings: { utilization: true, memory: true, temperature: true, power: true, fanSpeed: true },
          logging: { level: "info", file: "", console: true, size: 1e6, keep: 3 },
          unknown: [],
        },
        token: "open sesame",
        ca: "",
        env: {},
        log: { info: log, warn: log },
        debug: () => undefined,
        ticks: () => this.now,
        now: () => this.now,
        collect: () => Promise.resolve(this.info(this.now)),
      },
      {
        ask: (request, signal) => this.ask(request, signal),
        pause: (ms, signal) => this.pause(ms, signal),
        close: () => undefined,
      },
      room,
    );
  }

  info(at: number): HostInfo {
    return create(HostInfoSchema, { sampled: BigInt(at), gpus: this.cards(at) });
  }

  async ask({ method, path, body }: UploadRequest, signal: AbortSignal): Promise<UploadAnswer> {
    if (path !== "/api/receive-data") this.others.push(`${method} ${path}`);
    const list = body === undefined ? [] : (JSON.parse(Buffer.from(body).toString("utf8")) as Received[]);
    const answer = await this.#answer(list, signal);
    if (path === "/api/receive-data")
      this.asked.push({ at: this.now, count: list.length, status: answer?.status ?? 0 });
    if (answer === undefined) throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    return answer;
  }

  async #answer(list: readonly Received[], signal: AbortSignal): Promise<UploadAnswer | undefined> {
    const answer = (status: number, body: unknown): UploadAnswer => ({
      status,
      headers: {},
      text: typeof body === "string" ? body : JSON.stringify(body),
    });
    const { state } = this;
    if (state === "gone") return undefined;
    if (state === "deaf") {
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      return undefined;
    }
    if (typeof state === "number") return answer(state, { detail: "played" });
    if (state !== "up") return answer(200, state.body);
    if (list.length > this.longest) return answer(413, "");
    const good = list.filter((record) => !this.refuses(record) && (this.generation === "hub" || complete(record)));
    if (this.generation === 2 && good.length < list.length) return answer(422, { success: false, detail: "refused" });
    if (this.generation === 4 && good.length === 0) return answer(500, { code: 500, message: "none", data: null });
    this.taken.push(...good);
    const counts = { received_count: good.length, failed_count: list.length - good.length };
    return answer(200, this.generation === 4 ? { code: 200, data: counts } : { success: true, ...counts });
  }

  /** Seconds of the readings whose records were taken, of one card. */
  times(id = 0): number[] {
    return this.taken
      .filter(({ gpu_id }) => gpu_id === id)
      .map(({ timestamp }) => Date.parse(String(timestamp)) / 1000);
  }
}
