// A played Netdata on a free port of loopback: nodes whose charts have any number of days, as release 1.37 answers, with
// faults to switch on. test/report/real.test.ts holds its windows against those of the real program.
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A value of a row: a number, the text of one as it is sent ("0.0", "1e-05"), or null; undefined leaves the row out. */
export type PlayedValue = number | string | null | undefined;

/** Values by the end of their interval, in Unix seconds. */
export type PlayedValues = (at: number) => PlayedValue;

export interface PlayedCard {
  /** Number of the card. */
  readonly card: number;
  /** Marketing name in the ids of its charts. */
  readonly model?: string;
  /** Percent; false for a chart that does not exist. */
  readonly gpu?: PlayedValues | false;
  readonly vram?: PlayedValues | false;
  /** Bytes of VRAM that are used; without them the node has no chart of bytes. */
  readonly used?: PlayedValues;
  /** Bytes of VRAM in all. */
  readonly total?: number;
}

/**
 * What a node does wrong: "down" closes the connection without an answer, "hang" never answers, "drip" sends a byte after
 * the other without an end, "html" answers 200 with a page, "half" ends in the middle of a valid answer, "cut" loses the
 * connection there, "types" has texts and objects instead of numbers, "array" is JSON of another form, "nan" has NaN,
 * "labels" has none, "dimensions" has three values a row, "time" has rows without a time, "endless" never ends and is fast,
 * "redirect" leads to itself, "empty" has no rows, "refused" is 401 and "error" 500.
 */
export type PlayedFault =
  | "down"
  | "hang"
  | "drip"
  | "html"
  | "half"
  | "cut"
  | "types"
  | "array"
  | "nan"
  | "labels"
  | "dimensions"
  | "time"
  | "endless"
  | "redirect"
  | "empty"
  | "refused"
  | "error";

export interface PlayedNode {
  cards: readonly PlayedCard[];
  /** A fault of all answers, or of those for which a function gives one. @param chart "" for the list of charts */
  fault?: PlayedFault | ((chart: string) => PlayedFault | undefined) | undefined;
  /** What an answer waits for. @param chart "" for the list of charts */
  wait?: (chart: string) => Promise<void> | undefined;
  /** Unix seconds of the first sample: rows before are null, and a time without samples is 404. */
  since?: number;
  /** Seconds between two samples, from which rows are made: 7 gives rows every 602 s instead of 600. */
  everySec?: number;
  /** Seconds by which its clock is ahead. */
  aheadSec?: number;
  /** Other charts in its list, as a real node has hundreds of. */
  others?: number;
}

/** A request that came. */
export interface PlayedRequest {
  readonly node: string;
  /** "" for the list of charts. */
  readonly chart: string;
  readonly query: Readonly<Record<string, string>>;
}

/** What `rows` of release 1.37 answers: the window that was asked for, aligned and moved. */
export interface PlayedWindow {
  readonly stepSec: number;
  /** Ends of the intervals, newest first. */
  readonly ends: readonly number[];
}

/**
 * Returns the rows that release 1.37 makes of a request, as measured.
 * @param last Unix seconds of the last sample @param everySec seconds between two samples
 */
export function windowOf(
  asked: { readonly after: number; readonly before: number; readonly points: number },
  last: number,
  everySec = 1,
): PlayedWindow {
  // A window that reaches into the future is moved as a whole.
  const shift = Math.max(0, asked.before - last);
  const [after, before] = [asked.after - shift, asked.before - shift];
  const natural = Math.max(1, Math.floor((before - after + 1) / everySec));
  const points = Math.min(asked.points > 0 ? asked.points : natural, natural);
  const group = Math.floor(natural / points) + (natural % points > Math.floor(points / 2) ? 1 : 0);
  const stepSec = group * everySec;
  const newest = Math.ceil(before / stepSec) * stepSec;
  const rows = natural - points * group <= 1 ? points : Math.ceil(natural / group);
  return { stepSec, ends: Array.from({ length: rows }, (_, i) => newest - i * stepSec) };
}

const page = "<!DOCTYPE html><html><body><h1>Sign in</h1></body></html>";
const dripMs = 20;

export class PlayedNetdata {
  readonly nodes = new Map<string, PlayedNode>();
  readonly requests: PlayedRequest[] = [];
  /** Most requests that it had at the same time. */
  most = 0;
  /** Unix seconds; the clock of all nodes. */
  now: () => number = () => Math.floor(Date.now() / 1000);
  #open = 0;
  readonly #server: Server = createServer((request, response) => this.#answer(request, response));
  #port = 0;

  static async start(nodes: Readonly<Record<string, PlayedNode>> = {}): Promise<PlayedNetdata> {
    const played = new PlayedNetdata();
    for (const [name, node] of Object.entries(nodes)) played.nodes.set(name, node);
    played.#server.listen(0, "127.0.0.1");
    await once(played.#server, "listening");
    played.#port = (played.#server.address() as AddressInfo).port;
    return played;
  }

  /** Address of a node's Netdata, as a parent has it of a child. */
  url(node: string): string {
    return `http://127.0.0.1:${this.#port}/host/${node}`;
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.#open++;
    this.most = Math.max(this.most, this.#open);
    response.once("close", () => this.#open--);
    const url = new URL(request.url ?? "/", "http://localhost");
    const [, name = "", what = ""] = /^\/host\/([^/]+)\/api\/v1\/(\w+)$/.exec(url.pathname) ?? [];
    const query = Object.fromEntries(url.searchParams);
    const chart = what === "charts" ? "" : (query.chart ?? "");
    this.requests.push({ node: name, chart, query });
    const node = this.nodes.get(name);
    if (node === undefined) {
      send(response, 404, "text/plain; charset=utf-8", "This netdata does not maintain it.");
      return;
    }
    response.setHeader("Date", new Date((this.now() + (node.aheadSec ?? 0)) * 1000).toUTCString());
    const fault = typeof node.fault === "function" ? node.fault(chart) : node.fault;
    const text = what === "charts" ? this.#charts(name, node) : this.#data(node, chart, query, fault);
    const wait = node.wait?.(chart);
    const answer = (): void => reply(fault, response, text, request.url ?? "/");
    if (wait === undefined) answer();
    else void wait.then(answer);
  }

  #charts(name: string, node: PlayedNode): string {
    const last = this.#last(node);
    const ids = [
      ...Array.from({ length: node.others ?? 3 }, (_, i) => `disk_space._mnt_${i}`),
      ...node.cards.flatMap((card) => Object.keys(chartsOf(card))),
    ];
    const chart = (id: string) => ({
      ...{ id, name: id, type: id.split(".")[0], family: "utilization", context: id.split("_unknown")[0] },
      ...{ title: `GPU utilization (${id})`, priority: 100, plugin: "proc.plugin", module: "/sys/class/drm" },
      ...{ units: "percentage", data_url: `/api/v1/data?chart=${id}`, chart_type: "line", duration: 86_400 },
      ...{ first_entry: node.since ?? 0, last_entry: last, update_every: node.everySec ?? 1 },
      ...{ dimensions: { value: { name: "value" } }, chart_variables: {}, green: null, red: null, alarms: {} },
      ...{ chart_labels: { _collect_module: "/sys/class/drm" }, functions: {} },
    });
    return JSON.stringify(
      {
        ...{ hostname: name, version: "v1.37.1", release_channel: "stable", os: "linux", timezone: "Etc/UTC" },
        ...{ update_every: 1, history: 4096, memory_mode: "dbengine", custom_info: "" },
        charts: Object.fromEntries(ids.map((id) => [id, chart(id)])),
        ...{ charts_count: ids.length, dimensions_count: ids.length, alarms_count: 0, rrd_memory_bytes: 135_696 },
        ...{ hosts_count: 1, hosts: [{ hostname: name }] },
      },
      undefined,
      "\t",
    );
  }

  /** Returns the JSON of a chart; undefined for 404. */
  #data(node: PlayedNode, id: string, query: Readonly<Record<string, string>>, fault: PlayedFault | undefined) {
    const chart = node.cards.map((card) => chartsOf(card)[id]).find((one) => one !== undefined);
    if (chart === undefined) return undefined;
    const [last, since] = [this.#last(node), node.since ?? Number.NEGATIVE_INFINITY];
    const whole = (text = ""): number => Math.trunc(Number(text)) || 0;
    const asked = {
      after: whole(query.after) || last - 600,
      before: whole(query.before) || last,
      points: whole(query.points),
    };
    const { stepSec, ends } = windowOf(asked, last, node.everySec);
    if ((ends[0] ?? 0) < since) return undefined;
    const rows = ends.flatMap((at) => {
      const isThere = at >= since && at - stepSec < last;
      const values = Object.values(chart).map((read) => (isThere ? read(at) : null));
      return values.includes(undefined) ? [] : [` [ ${[at, ...values].map(String).join(",")}]`];
    });
    if (fault === "empty") rows.length = 0;
    const labels = ["time", ...Object.keys(chart)];
    return `{\n "labels": ${JSON.stringify(labels)},\n    "data":\n [\n${rows.join(",\n")}\n]\n}`;
  }

  #last({ aheadSec = 0, everySec = 1 }: PlayedNode): number {
    return Math.floor((this.now() + aheadSec) / everySec) * everySec;
  }
}

/** Charts of a card by their ids, each with its dimensions. */
function chartsOf(card: PlayedCard): Readonly<Record<string, Readonly<Record<string, PlayedValues>>>> {
  const { gpu = () => 0, vram = () => 0, used, total = 206_141_652_992 } = card;
  const id = `${card.model ?? "unknown_AMD_GPU"}_card${card.card}`;
  const free = (at: number): PlayedValue => {
    const bytes = used?.(at);
    return typeof bytes === "number" ? total - bytes : bytes;
  };
  return {
    ...(gpu === false ? {} : { [`amdgpu.gpu_utilization_${id}`]: { utilization: gpu } }),
    ...(vram === false ? {} : { [`amdgpu.gpu_mem_vram_usage_perc_${id}`]: { usage: vram } }),
    ...(used === undefined ? {} : { [`amdgpu.gpu_mem_vram_usage_${id}`]: { free, used } }),
  };
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { "Content-Type": type, "Content-Length": Buffer.byteLength(text) }).end(text);
}

const json = "application/json; charset=utf-8";

/** Sends an answer, or what a fault makes of it. @param text undefined for 404 */
function reply(fault: PlayedFault | undefined, response: ServerResponse, text: string | undefined, path: string): void {
  switch (fault) {
    case "down":
      response.destroy();
      break;
    case "hang":
      break;
    case "html":
      send(response, 200, "text/html; charset=utf-8", page);
      break;
    case "refused":
      send(response, 401, "text/html; charset=utf-8", page);
      break;
    case "error":
      send(response, 500, "text/plain; charset=utf-8", "Out of memory.");
      break;
    case "redirect":
      response.writeHead(302, { Location: path }).end();
      break;
    case "drip":
    case "endless":
      pour(fault, response);
      break;
    default:
      if (text === undefined) {
        send(response, 404, "text/plain; charset=utf-8", "No metrics where matched to query.");
      } else if (fault === "cut") {
        response.writeHead(200, { "Content-Type": json, "Content-Length": Buffer.byteLength(text) });
        response.write(text.slice(0, text.length / 2), () => response.destroy());
      } else send(response, 200, json, spoil(fault, text));
  }
}

/** Sends an answer that never ends. */
function pour(fault: "drip" | "endless", response: ServerResponse): void {
  response.writeHead(200, { "Content-Type": json });
  response.write('{"labels": ["time", "usage"], "data": [');
  if (fault === "drip") {
    const timer = setInterval(() => response.write(" "), dripMs);
    response.once("close", () => clearInterval(timer));
    return;
  }
  const block = " [ 1753999200,12.5],".repeat(4096);
  const more = (): void => {
    while (!response.destroyed && response.write(block));
  };
  response.on("drain", more);
  more();
}

function spoil(fault: PlayedFault | undefined, text: string): string {
  if (fault === "half") return text.slice(0, text.length / 2);
  if (fault === "array") return `[${text}]`;
  if (fault === "labels") return text.replace(/"labels": .*/, "");
  if (fault === "nan") return text.replace(/(\[ \d+),[^\]]*/g, "$1,NaN");
  if (fault === "types") return text.replace(/(\[ \d+),[^\]]*/g, '$1,"12.5"');
  if (fault === "time") return text.replace(/\[ \d+,/g, '["now",');
  if (fault === "dimensions") {
    return text.replace(/(\[ \d+),[^\]]*/g, "$1,1,2,3").replace(/"time"[^\]]*/, '"time","a","b","c"');
  }
  return text;
}
