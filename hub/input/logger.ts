import { networkOf } from "../../program/network.ts";
import { bytes, hostPort } from "../../program/setting.ts";
import type { NodeRecord } from "../book/book.ts";
import { Fault } from "../fault.ts";
import { notice } from "../notice.ts";
import { checkCoding, declaredLength, piecesOf } from "../push/body.ts";
import { keepTiming } from "../push/timing.ts";
import { type RouteRequest, serve } from "../route/handler.ts";
import { loggerReceiveRoutes } from "../route/logger.ts";
import type { Sentence } from "../sentence.ts";
import { trouble } from "../trouble.ts";
import type { Actor, RequestHead } from "../who.ts";
import type { Input, InputContext, RunningInput } from "./input.ts";
import { hardwareOf } from "./logger/card.ts";
import { Client, type ClientIdentity, mostCards } from "./logger/client.ts";
import { Gateways } from "./logger/gateway.ts";
import { type Received, Reception } from "./logger/reception.ts";
import type { LoggerRecord } from "./logger/record.ts";
import { placeOf, Senders, senderOf } from "./logger/sender.ts";
import { type LoggerSettings, table } from "./logger/settings.ts";
import { Traffic } from "./logger/traffic.ts";

/** Receives the records of clients of the NVIDIA GPU Metrics Logger, which have no token and name themselves. */
export const logger: Input<typeof table> = {
  name: "logger",
  table,
  open: (context, settings) => new Logger(context, settings),
};

/** Bytes that a registration counts as. */
const registrationBytes = 4096;
/** For how long administrators see that records of a name are refused. */
const elsewhereMs = 86_400_000;
/** A client that was deleted while it waited may register again after this time. */
const rejectedMs = 86_400_000;
const mostRejected = 1000;

type Receive = typeof loggerReceiveRoutes.receiveData;

/** Who sends a request, as far as it matters for a name. */
interface Sender {
  readonly by: Actor;
  readonly head: RequestHead;
  /** True if clients at its address may send records. */
  readonly isNear: boolean;
}

class Logger implements RunningInput<typeof table> {
  readonly #context: InputContext;
  #settings: LoggerSettings;
  #senders: Senders;
  readonly #traffic: Traffic;
  readonly #gateways: Gateways;
  /** Clients that are nodes of their own, by name. */
  readonly #own = new Map<string, Client>();
  /** Clients that are hosts of other inputs, by name. */
  readonly #guests = new Map<string, Client>();
  /** When clients were deleted while they waited, by name, the longest ago first. */
  readonly #rejected = new Map<string, number>();
  /** Clients with bad records that were logged. */
  readonly #logged = new Set<string>();
  readonly #ends: readonly (() => void)[];

  readonly routes = serve(loggerReceiveRoutes, {
    receiveData: (request) => this.#receive(request),
    receiveGpuData: (request) => this.#receive(request),
    receiveGpuBatch: (request) => this.#receive(request),
  });

  constructor(context: InputContext, settings: LoggerSettings) {
    this.#context = context;
    this.#settings = settings;
    this.#senders = new Senders(settings.senders);
    this.#traffic = new Traffic(context.clock);
    this.#gateways = new Gateways(context.clock.now);
    this.#ends = [context.book.onChange(() => this.#adopt()), context.roster.onChange(() => this.#adopt())];
    this.#adopt();
  }

  change(settings: LoggerSettings): void {
    this.#settings = settings;
    this.#senders = new Senders(settings.senders);
    this.#context.notice("logger gateway", undefined);
  }

  close(): void {
    for (const end of this.#ends) end();
    for (const client of [...this.#own.values(), ...this.#guests.values()]) client.close();
  }

  /** Adds, changes and removes clients as book and roster have them. */
  #adopt(): void {
    const nodes = this.#context.registrar.roll.nodes();
    for (const [name, client] of this.#own) {
      const node = nodes.get(name);
      if (node?.way === "logger") continue;
      client.close();
      this.#own.delete(name);
      if (node === undefined && !client.identity.approved) this.#reject(name);
    }
    for (const [name, node] of nodes) {
      if (node.way !== "logger") continue;
      const client = this.#own.get(name);
      const identity = ownIdentity(node);
      if (client === undefined) this.#own.set(name, new Client({ context: this.#context, identity, timing: node }));
      else client.change(identity);
    }
    for (const [name, client] of this.#guests) {
      const identity = this.#guestIdentity(name, client.identity.address);
      if (identity !== undefined) {
        client.change(identity);
        continue;
      }
      client.close();
      this.#guests.delete(name);
    }
  }

  /** An administrator who deletes a client that waits does not want to see it again at its next request. */
  #reject(name: string): void {
    this.#rejected.set(name, this.#context.clock.now());
    const oldest = this.#rejected.keys().next();
    if (this.#rejected.size > mostRejected && !oldest.done) this.#rejected.delete(oldest.value);
  }

  async #receive({ c, by, head, recheck }: RouteRequest<Receive>): Promise<Response> {
    const sender = { by, head, isNear: this.#senders.check(by, head) };
    checkCoding(c);
    const mostBytes = this.#settings.body === "" ? Number.POSITIVE_INFINITY : bytes(this.#settings.body);
    const tooLarge = (): Fault => this.#tooLarge(by.origin);
    let length: number | undefined;
    try {
      length = declaredLength(c, mostBytes);
    } catch {
      throw tooLarge();
    }
    const transfer = this.#traffic.begin(senderOf(by), length);
    const zone = this.#context.zone();
    try {
      const reception = new Reception({
        zone,
        address: by.origin,
        clientOf: async (name, first) => {
          c.set("claimed", name);
          const client = await this.#clientOf(sender, name, first);
          this.#noteUse(client, by.origin);
          return client;
        },
        tooMany: (most) => this.#tooMany(by.origin, most),
        written: async () => {
          // A token may have been revoked while the records were on their way.
          recheck();
          await this.#context.history.ready();
        },
      });
      const received = await reception
        .receive(transfer.read(piecesOf(c), mostBytes, tooLarge))
        .finally(() => this.#tellBad(reception, by.origin));
      for (const [, client] of reception.clients()) {
        this.#noteCards(client);
        this.#noteTiming(client);
      }
      this.#checkGateway(by);
      return c.json(answerOf(received, zone.format(this.#context.clock.now())));
    } finally {
      transfer.end();
    }
  }

  /** @throws Fault sender_refused, busy, and what a registration throws */
  async #clientOf({ by, head, isNear }: Sender, name: string, first: LoggerRecord): Promise<Client> {
    const { registrar, roster, clock } = this.#context;
    const trusts = by.kind === "reporter" || (by.kind === "node" && by.name === name);
    if (!isNear && !trusts && by.kind !== "enroller") throw elsewhere(by.origin, name);
    const place = placeOf(by, head);
    const node = registrar.roll.nodes().get(name);
    if (roster.polled().has(name) && (trusts || this.#isPolledAt(name, place))) return this.#guest(name, by.origin);
    if (node?.way === "portal") {
      if (trusts || this.#isPlaceOf(node, place)) return this.#guest(name, by.origin);
      const { troubles } = this.#context;
      troubles.set(
        node.host,
        "elsewhere",
        trouble("records_elsewhere", { origin: by.origin, hostname: name }),
        elsewhereMs,
      );
      throw elsewhere(by.origin, name);
    }
    const own = this.#own.get(name);
    if (own !== undefined) return own;
    const rejected = this.#rejected.get(name);
    if (rejected !== undefined && Math.abs(clock.now() - rejected) < rejectedMs && !trusts) {
      throw new Fault(
        "sender_refused",
        `The client ${JSON.stringify(name)} was deleted here: it may register again tomorrow.`,
      );
    }
    await registrar.admit(networkOf(by.origin), registrationBytes);
    await registrar.enter(by, { hostname: name, capabilities: { gpus: [hardwareOf(first)], disks: [], nics: [] } });
    const client = this.#own.get(name);
    if (client === undefined) throw new Fault("busy", `The client ${JSON.stringify(name)} was removed meanwhile.`);
    return client;
  }

  /** A client that is a host of another input. */
  #guest(name: string, address: string): Client {
    const known = this.#guests.get(name);
    if (known !== undefined) return known;
    const identity = this.#guestIdentity(name, address);
    if (identity === undefined) throw new Fault("busy", `The host ${JSON.stringify(name)} was removed meanwhile.`);
    const client = new Client({ context: this.#context, identity });
    this.#guests.set(name, client);
    return client;
  }

  #guestIdentity(name: string, address: string): ClientIdentity | undefined {
    const { registrar, roster } = this.#context;
    const node = registrar.roll.nodes().get(name);
    const common = { name, own: false, address };
    if (roster.polled().has(name)) return { ...common, host: name, approved: true, liveOnly: false };
    if (node?.way !== "portal") return undefined;
    return { ...common, host: node.host, ...rightsOf(node) };
  }

  /** True if the hub polls a host at an address, or has reached it there. */
  #isPolledAt(name: string, place: string | undefined): boolean {
    const { ingest, roster } = this.#context;
    const { address } = roster.polled().get(name) ?? {};
    if (address === undefined || place === undefined || this.#isShared(place, name)) return false;
    return hostPort(address.replace(/^tls:\/\//, "")).host === place || ingest.peers(name).includes(place);
  }

  /** True if a machine with a token reports from an address. */
  #isPlaceOf(node: NodeRecord, place: string | undefined): boolean {
    return place !== undefined && addressOf(node) === place && !this.#isShared(place, node.hostname);
  }

  /** True if machines of other names report from an address, as behind NAT: it does not tell one from the other. */
  #isShared(place: string, name: string): boolean {
    const nodes = [...this.#context.registrar.roll.nodes().values()];
    return nodes.some((node) => node.way === "portal" && node.hostname !== name && addressOf(node) === place);
  }

  /** Notes in the book when, and from where, a client was heard. */
  #noteUse({ identity: { name, own } }: Client, usedFrom: string): void {
    const { registrar, clock, desk } = this.#context;
    const node = own ? registrar.roll.nodes().get(name) : undefined;
    if (node === undefined) return;
    const used = clock.now();
    desk.note({ of: `node ${node.id}`, write: (book) => book.changeNode(node.id, { used, usedFrom }) });
  }

  /** Notes in the book which cards a client has, of which its registration names one: the hub knows them when it starts again. */
  #noteCards({ identity: { name, own }, newest }: Client): void {
    const { registrar, desk } = this.#context;
    const node = own ? registrar.roll.nodes().get(name) : undefined;
    if (node === undefined) return;
    const known = new Set(node.capabilities.gpus.map(({ index }) => index));
    if (newest.every(({ gpu }) => known.has(gpu)) || known.size >= mostCards) return;
    const fresh = newest.filter(({ gpu }) => !known.has(gpu)).map(hardwareOf);
    const gpus = [...node.capabilities.gpus, ...fresh].slice(0, mostCards).sort((a, b) => a.index - b.index);
    const capabilities = { ...node.capabilities, gpus };
    desk.note({ of: `cards of node ${node.id}`, write: (book) => book.changeNode(node.id, { capabilities }) });
  }

  #noteTiming(client: Client): void {
    const timing = client.takeTiming();
    const node = this.#context.registrar.roll.nodes().get(client.identity.name);
    if (timing !== undefined && node !== undefined) keepTiming(this.#context.desk, node.id, timing);
  }

  /** Shows to administrators that a client sends more than is allowed: it will send it again, and more each time. */
  #tooLarge(origin: string): Fault {
    const mib = this.#settings.body;
    this.#tellSize(origin, trouble("records_too_large", { mib }));
    return new Fault("body_too_large", `A request with records must not be larger than ${mib} (push.body).`);
  }

  #tooMany(origin: string, most: number): Fault {
    this.#tellSize(origin, trouble("records_too_many", { most }));
    return new Fault("body_too_large", `A request must not have more than ${most} records: send the rest in others.`);
  }

  #tellSize(origin: string, sentence: Sentence): void {
    for (const client of [...this.#own.values(), ...this.#guests.values()]) {
      if (client.address === origin) client.tell("size", sentence);
    }
  }

  /** Shows bad records to administrators, and logs the first one of each client. */
  #tellBad(reception: Reception, origin: string): void {
    const clients = new Map(reception.clients());
    for (const [name, { count, example }] of reception.bad) {
      const client = clients.get(name);
      if (client === undefined) this.#context.refusals.count(origin, "validation_error");
      else client.tell("records", trouble("bad_records", { failed: count, example }));
      const key = client === undefined ? origin : name;
      if (this.#logged.has(key) || this.#logged.size > mostRejected) continue;
      this.#logged.add(key);
      this.#context.log.warn(`${count} records of ${name || origin} cannot be taken: ${example}`);
    }
  }

  #checkGateway({ kind, origin }: Actor): void {
    if (kind === "anonymous" && this.#gateways.has(origin))
      this.#context.notice("logger gateway", notice("logger_gateway", { origin }));
  }
}

/** Address that a machine reports from. */
const addressOf = ({ usedFrom, origin }: NodeRecord): string => usedFrom ?? origin;

const rightsOf = ({ state, history }: NodeRecord): Pick<ClientIdentity, "approved" | "liveOnly"> => ({
  approved: state === "approved",
  liveOnly: state === "waiting" && history !== undefined,
});

const ownIdentity = (node: NodeRecord): ClientIdentity => ({
  name: node.hostname,
  host: node.host,
  own: true,
  address: addressOf(node),
  ...rightsOf(node),
});

const elsewhere = (origin: string, name: string): Fault =>
  new Fault(
    "sender_refused",
    `Records of ${JSON.stringify(name)} are not taken from ${origin}: that is the name of a machine which reports from elsewhere. Choose another client_name, or send a token of scope push in the header Authorization.`,
  );

function answerOf({ form, received, failed, timestamp }: Received, now: string) {
  const data = { received_count: received, failed_count: failed };
  const more = { code: 200 as const, data };
  if (form === "object") {
    return {
      success: true as const,
      message: "Data received and saved successfully",
      timestamp: timestamp ?? now,
      ...more,
    };
  }
  const message = `Batch data received: ${received} successful, ${failed} failed`;
  return { success: true as const, message, ...data, timestamp: now, ...more };
}
