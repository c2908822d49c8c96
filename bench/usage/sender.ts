// Sends records as the clients of the GPU Metrics Logger do, as fast as a server takes them, in a process of its own so that
// its cost is not counted.
import { Agent } from "node:http";
import { Zone } from "../../program/zone.ts";
import { post } from "../../test/post.ts";
import { type Quantiles, quantiles } from "../measure.ts";

/** What to send, received over IPC. */
export interface SendOrder {
  readonly url: string;
  /** Records of a request; 1 is a single one, without a list. */
  readonly size: number;
  readonly ms: number;
  /** Names of clients begin with it. Those that have sent already go on with their next records. */
  readonly name: string;
  /** Unix milliseconds of the first records of a client. */
  readonly from: number;
}

/** What was sent, sent over IPC. */
export interface SentRecords {
  readonly records: number;
  readonly seconds: number;
  readonly failed: number;
  /** Milliseconds until an answer came. */
  readonly waits: Quantiles;
  /** An answer that was no success. */
  readonly refusal?: string;
}

/** Connections, each of a few clients with eight GPUs. */
const connections = 4;
const clientsEach = 8;
const cards = 8;
/** Milliseconds between two records of a GPU. */
const interval = 5000;
const zone = new Zone("UTC");

/** The end of a record: readings of one of some moments, and the client. */
function restsOf(client: string): string[][] {
  return Array.from({ length: 16 }, (_, moment) =>
    Array.from({ length: cards }, (_, id) => {
      const busy = (moment * 37 + id * 11) % 100;
      const record = {
        ...{
          gpu_id: id,
          gpu_name: "NVIDIA H100 80GB HBM3",
          utilization_gpu: busy + 0.25,
          utilization_memory: busy / 2,
        },
        ...{ memory_total: 81_559, memory_used: 800 * busy, memory_free: 81_559 - 800 * busy },
        ...{ temperature: 30 + (busy >> 1), power_draw: 70 + busy * 6.05, power_limit: 700.5, fan_speed: 30 },
        client_name: client,
      };
      return `,${JSON.stringify(record).slice(1)}`;
    }),
  );
}

/** The records of one client, one after the other: those of its GPUs, then those of the next time. */
class Client {
  readonly #rests: readonly (readonly string[])[];
  #at: number;
  #next = 0;
  #time = "";

  constructor(name: string, from: number) {
    this.#rests = restsOf(name);
    this.#at = from;
  }

  record(): string {
    const id = this.#next % cards;
    if (id === 0) {
      this.#time = `{"timestamp":"${zone.format(this.#at)}"`;
      this.#at += interval;
    }
    const moment = (this.#next++ / cards) & 15;
    return this.#time + (this.#rests[moment]?.[id] ?? "");
  }
}

const known = new Map<string, Client>();

function clientOf(name: string, from: number): Client {
  const client = known.get(name) ?? new Client(name, from);
  known.set(name, client);
  return client;
}

async function send({ url, size, ms, name, from }: SendOrder): Promise<SentRecords> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const waits: number[] = [];
  let [records, failed] = [0, 0];
  let refusal: string | undefined;
  const begun = performance.now();
  const work = async (connection: number): Promise<void> => {
    const all = Array.from({ length: clientsEach }, (_, i) => clientOf(`${name}-${connection}-${i}`, from));
    for (let turn = 0; performance.now() < begun + ms; turn++) {
      const client = all[turn % clientsEach];
      const list = Array.from({ length: size }, () => client?.record());
      const body = Buffer.from(size === 1 ? (list[0] ?? "") : `[${list.join(",")}]`);
      const sent = performance.now();
      const { status, text } = await post(
        `${url}/api/receive-data`,
        body,
        { "content-type": "application/json" },
        agent,
      );
      waits.push(performance.now() - sent);
      // Both servers count what they could not take, of a list.
      if (status === 200 && (size === 1 || text.includes('"failed_count":0'))) records += size;
      else {
        failed++;
        refusal = `${status} ${text}`;
      }
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, connection) => work(connection)));
  const seconds = (performance.now() - begun) / 1000;
  agent.destroy();
  return { records, seconds, failed, waits: quantiles(waits), ...(refusal === undefined ? {} : { refusal }) };
}

process.on("message", async (order: SendOrder) => process.send?.(await send(order)));
process.on("disconnect", () => process.exit(0));
