import type { Context } from "hono";
import { networkOf } from "../../program/network.ts";
import { clean } from "../../proto/clean.ts";
import type { HostConfig, NodeRecord, NodeState } from "../book/book.ts";
import { Fault } from "../fault.ts";
import { BodyReader, declaredLength, mediaTypeOf } from "../push/body.ts";
import { RateLimit, type RateLimits } from "../push/rate.ts";
import type { Roll } from "../push/roll.ts";
import { keepTiming } from "../push/timing.ts";
import { type RouteRequest, serve } from "../route/handler.ts";
import { pushRoutes, registrationLimit, reportLimit } from "../route/push.ts";
import type { Actor } from "../who.ts";
import type { Input, InputContext, RunningInput } from "./input.ts";
import { Node, type Report } from "./portal/node.ts";
import { oddityOf } from "./portal/oddity.ts";
import { parseRegistration } from "./portal/registration.ts";
import { parseReport, parseSample } from "./portal/report.ts";

/** Receives reports of machines that register and send them by themselves, as the Lab Exporter and hmonitor --server do. */
export const portal: Input = {
  name: "portal",
  table: {},
  open: (context) => new Portal(context),
};

const json = { json: ["application/json"] } as const;
const reports = { ...json, sample: ["application/x-protobuf", "application/protobuf"] } as const;

/** Tells agents that reports may be whole samples (docs/decisions/0011-reports-over-http.md). */
const acceptPost = "application/json, application/x-protobuf; messageType=gpu.HostInfo";

/** Limits of bodies that are read at the same time: registrations, which anybody may send, and reports. */
const registrationBodies = { total: 32 * registrationLimit, perSender: 4 * registrationLimit };
const reportBodies = { total: 64 * reportLimit, perSender: 2 * reportLimit };
/** The same for reports of machines that wait for approval, by network. */
const waitingBodies = { total: 16 * reportLimit, perSender: 4 * reportLimit };

/** Stored samples per second of all machines of a state together, so that after an outage others are still heard. */
const lateLimits: Readonly<Record<NodeState, RateLimits>> = {
  approved: { rate: 600, burst: 600, waitMs: 4000 },
  waiting: { rate: 60, burst: 60, waitMs: 4000 },
};

class Portal implements RunningInput {
  readonly #context: InputContext;
  readonly #roll: Roll;
  readonly #registrar: InputContext["registrar"];
  /** Registered machines by host name. */
  readonly #nodes = new Map<string, Node>();
  readonly #registrations = new BodyReader(registrationBodies);
  readonly #reports = new BodyReader(reportBodies);
  readonly #waitingReports = new BodyReader(waitingBodies);
  readonly #late: Readonly<Record<NodeState, RateLimit>>;
  readonly #unsubscribe: () => void;

  readonly routes = serve(pushRoutes, {
    register: (request) => this.#register(request),
    nodeConfig: (request) => this.#config(request),
    report: (request) => this.#report(request),
  });

  constructor(context: InputContext) {
    this.#context = context;
    this.#registrar = context.registrar;
    this.#roll = context.registrar.roll;
    const now = context.clock.now();
    this.#late = {
      approved: new RateLimit(lateLimits.approved, now),
      waiting: new RateLimit(lateLimits.waiting, now),
    };
    const ends = [context.book.onChange(() => this.#adopt()), context.roster.onChange(() => this.#disclaim())];
    this.#unsubscribe = () => {
      for (const end of ends) end();
    };
    this.#adopt();
  }

  change(): void {}

  close(): void {
    this.#unsubscribe();
    for (const node of this.#nodes.values()) node.close();
  }

  /** Adds, changes and removes machines as the book has them. */
  #adopt(): void {
    const records = new Map([...this.#roll.nodes()].filter(([, { way }]) => way === "portal"));
    for (const [hostname, node] of this.#nodes) {
      if (records.get(hostname)?.id === node.record.id) continue;
      node.remove();
      this.#nodes.delete(hostname);
    }
    for (const [hostname, record] of records) {
      const node = this.#nodes.get(hostname);
      if (node !== undefined) node.change(record);
      else this.#nodes.set(hostname, this.#open(record));
    }
    this.#disclaim();
  }

  /** Records that the hub polls a host under the name of a machine that waits: its history is not that machine's alone any more. */
  #disclaim(): void {
    const { roster, desk, clock } = this.#context;
    const nodes = [...this.#roll.nodes().values()];
    const alone = nodes.filter(({ state, history }) => state === "waiting" && history === undefined);
    if (alone.length === 0) return;
    const polled = roster.polled();
    const now = clock.now();
    for (const { id } of alone.filter(({ hostname }) => polled.has(hostname))) {
      desk.note({
        of: `history of node ${id}`,
        soon: true,
        write: (book) => book.changeNode(id, { history: now }),
      });
    }
  }

  #open(record: NodeRecord): Node {
    const { hostname } = record;
    return new Node({
      context: this.#context,
      record,
      interval: () => this.#configOf(hostname)?.config.reportIntervalSec ?? undefined,
      devices: () => this.#context.push().devices,
      keep: (timing) => keepTiming(this.#context.desk, record.id, timing),
    });
  }

  async #register({ c, by }: RouteRequest<typeof pushRoutes.register>): Promise<Response> {
    mediaTypeOf(c, json);
    const network = networkOf(by.origin);
    await this.#registrar.admit(network, declaredLength(c, registrationLimit) ?? registrationLimit);
    const bytes = await this.#registrations.read(c, network, registrationLimit);
    const asked = parseRegistration(bytes, (name) => c.set("claimed", name));
    const { node, token } = await this.#registrar.register(by, asked);
    const message = `${node.hostname} is registered${node.state === "waiting" ? " and waits for approval" : ""}`;
    return c.json({ status: "registered", token, nodeId: node.id, message });
  }

  #config({ c, by }: RouteRequest<typeof pushRoutes.nodeConfig>): Response {
    const node = this.#nodeOf(by, undefined);
    const { config, configVersion = 0 } = this.#configOf(node.record.hostname) ?? {};
    this.#note(node, configVersion);
    c.header("Accept-Post", acceptPost);
    return c.json(config === undefined || configVersion === 0 ? {} : answered(config));
  }

  async #report(request: RouteRequest<typeof pushRoutes.report>): Promise<Response> {
    const { c, by } = request;
    const sender = by.kind === "node" ? this.#nodeOf(by, undefined) : undefined;
    if (sender === undefined) return this.#receive(request, undefined);
    let done = (): void => {};
    try {
      done = await sender.admit(declaredLength(c, reportLimit) ?? reportLimit);
      return await this.#receive(request, sender);
    } catch (error) {
      sender.refused(error);
      throw error;
    } finally {
      done();
    }
  }

  async #receive(
    { c, by, recheck }: RouteRequest<typeof pushRoutes.report>,
    sender: Node | undefined,
  ): Promise<Response> {
    const type = mediaTypeOf(c, reports);
    if (sender?.behind === true) await this.#takeTurn(sender.record.state);
    const bytes = await this.#bytesOf(c, by, sender?.record);
    const info = type === "json" ? parseReport(bytes) : parseSample(bytes);
    c.set("claimed", info.hostname);
    const node = sender ?? this.#nodeOf(by, info.hostname);
    if (sender === undefined) (await node.admit(bytes.length))();
    // Its token may have been reset or revoked, or the machine deleted, while the report was on its way.
    recheck();
    if (this.#nodes.get(node.record.hostname) !== node) throw deleted();
    const sent = type === "json" ? undefined : sentAt(c);
    const report: Report = { info, sent, address: by.origin, oddity: oddityOf(info, type, bytes.length) };
    node.take(report, node.isLate(report));
    c.header("Accept-Post", acceptPost);
    return c.json({ ok: true, configVersion: this.#configOf(node.record.hostname)?.configVersion ?? 0 });
  }

  /** Reads a report. Bodies of those whom nobody has approved take no place of the others'. @throws Fault body_too_large, busy, canceled */
  #bytesOf(c: Context, by: Actor, sender: NodeRecord | undefined): Promise<Buffer> {
    if (sender?.state === "waiting") return this.#waitingReports.read(c, networkOf(by.origin), reportLimit);
    return this.#reports.read(c, sender?.hostname ?? by.origin, reportLimit);
  }

  /** Waits for the turn of a stored sample. @throws Fault busy */
  async #takeTurn(state: NodeState): Promise<void> {
    const { clock } = this.#context;
    const wait = this.#late[state].take(1, clock.now());
    if (wait === undefined) {
      throw new Fault("busy", "Many machines send samples that they stored: send this one again in some seconds.");
    }
    if (wait > 0) await new Promise<void>((done) => clock.after(wait, done));
  }

  /**
   * The machine that sends a request.
   * @param hostname of the report, which decides only for API tokens: a machine's token is for itself
   * @throws Fault sign_in_needed for a machine that was deleted meanwhile, bad_request
   */
  #nodeOf(by: Actor, hostname: string | undefined): Node {
    if (by.kind === "node") {
      const node = this.#nodes.get(by.name);
      if (node !== undefined) return node;
      throw deleted();
    }
    const node = hostname === undefined ? undefined : this.#nodes.get(hostname);
    if (node !== undefined) return node;
    throw new Fault(
      "bad_request",
      hostname === undefined
        ? "A configuration is that of one machine: ask for it with the token that it got at its registration."
        : `No machine with the host name ${JSON.stringify(clean(hostname))} is registered.`,
    );
  }

  #configOf(hostname: string) {
    const host = this.#roll.nodes().get(hostname)?.host;
    return host === undefined ? undefined : this.#roll.hosts().get(host);
  }

  /** Records which version of its configuration a machine took. */
  #note(node: Node, version: number): void {
    if (!node.takes(version)) return;
    const { clock, desk } = this.#context;
    const { id } = node.record;
    const time = clock.now();
    desk.note({
      of: `configuration of node ${id}`,
      soon: true,
      write: (book) => book.changeNode(id, { taken: { version, time } }),
    });
  }
}

const deleted = (): Fault => new Fault("sign_in_needed", "This token is not valid: the machine was deleted.");

/** A configuration as the Lab Portal answers it: an interval that is not set must be absent, as exporters sleep for it. */
function answered({ gpuIndices, diskMounts, nicNames, reportIntervalSec }: HostConfig) {
  return {
    gpuIndices: gpuIndices === null ? null : [...gpuIndices],
    diskMounts: diskMounts === null ? null : [...diskMounts],
    nicNames: nicNames === null ? null : [...nicNames],
    ...(reportIntervalSec === null ? {} : { reportIntervalSec }),
  };
}

/** When a request was sent, by the clock of the machine: its header Date, in whole seconds. */
function sentAt(c: Context): number | undefined {
  const time = Date.parse(c.req.header("date") ?? "");
  return Number.isNaN(time) ? undefined : time;
}
