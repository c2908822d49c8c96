import { timingSafeEqual } from "node:crypto";
import { networkOf } from "../../program/network.ts";
import {
  type ApiToken,
  type Book,
  type Capabilities,
  isExpired,
  type NodeRecord,
  type NodeState,
  type NodeWay,
} from "../book/book.ts";
import type { Clock } from "../clock.ts";
import type { Action, Attempt, Desk, Forget } from "../desk.ts";
import { Fault } from "../fault.ts";
import type { Store } from "../history/store.ts";
import type { Log } from "../log.ts";
import { notice } from "../notice.ts";
import type { Roster } from "../roster.ts";
import { hashOf, newSecret } from "../secret.ts";
import type { Sentence } from "../sentence.ts";
import { type Troubles, trouble } from "../trouble.ts";
import type { Actor } from "../who.ts";
import { RateLimit, type RateLimits } from "./rate.ts";
import { Roll } from "./roll.ts";
import type { PushSettings } from "./settings.ts";

/** Most machines that wait for approval: of one address (of IPv6, one /64), and in all. */
const mostOfNetwork = 16;
const mostWaiting = 256;
/** Most machines in all: where everybody may register, nothing else ends a flood of names. */
const mostNodes = 5000;
/** For how long a machine waits. */
const waitingMs = 7 * 86_400_000;
/** How often those that waited too long are looked for. */
const careMs = 3_600_000;

/** Wrong secrets of one address within a time, and addresses that are remembered. */
const mostWrong = 20;
const wrongMs = 60_000;
const mostNetworks = 1000;

/** Bytes of registrations of one address, and of all; one counts as no less than `leastCharge`. */
const networkRate: RateLimits = { rate: 64 * 1024, burst: 1024 * 1024, waitMs: 4000 };
const totalRate: RateLimits = { rate: 512 * 1024, burst: 4 * 1024 * 1024, waitMs: 4000 };
const leastCharge = 4096;

/** For how long administrators see that another machine may have asked for a host's name. */
const shownMs = 86_400_000;

/** The hub itself. */
const hub: Actor = { kind: "owner", origin: "hub" };

/** A machine that asks to be registered. */
export interface Registration {
  readonly hostname: string;
  readonly capabilities: Capabilities;
  /** The hub's registration secret, or an enrolment token; "" without one. */
  readonly secret: string;
}

/** A registered machine. */
export interface Registered {
  readonly node: NodeRecord;
  /** Shown once. */
  readonly token: string;
}

export interface RegistrarContext {
  readonly book: Pick<Book, "nodes" | "hosts" | "token" | "onChange">;
  readonly desk: Pick<Desk, "do" | "refused">;
  readonly history: Pick<Store, "known">;
  readonly forget: Forget;
  readonly roster: Pick<Roster, "polled">;
  readonly troubles: Pick<Troubles, "set">;
  readonly notice: (topic: string, sentence: Sentence | undefined) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Why a machine may register. */
type Ground =
  | { readonly by: "nothing" }
  | { readonly by: "secret" }
  | { readonly by: "token"; readonly token: Pick<ApiToken, "name"> & Partial<Pick<ApiToken, "id">> };

/** What a registration writes, whichever way the machine comes. */
interface Entry {
  readonly by: Actor;
  readonly asked: Pick<Registration, "hostname" | "capabilities">;
  readonly way: NodeWay;
  readonly ground: Ground;
  /** Time of the newest sample that history has under the name. */
  readonly history: number | undefined;
  readonly token: Uint8Array | undefined;
}

/** Registers machines that report by themselves, and removes those that nobody approves. */
export class Registrar {
  readonly roll: Roll;
  readonly #context: RegistrarContext;
  readonly #settings: () => PushSettings;
  readonly #unsubscribe: () => void;
  /** Wrong secrets by network, the least recent first. */
  readonly #wrong = new Map<string, { readonly since: number; count: number }>();
  readonly #rates = new Map<string, RateLimit>();
  readonly #rate: RateLimit;
  /** Machines that waited for too long an hour ago: the clock may have been wrong for some time. */
  #overdue: ReadonlySet<number> = new Set();
  #cancel: () => void;

  constructor(context: RegistrarContext, settings: () => PushSettings) {
    this.#context = context;
    this.#settings = settings;
    this.roll = new Roll(context.book);
    this.#rate = new RateLimit(totalRate, context.clock.now());
    this.#cancel = context.clock.after(0, () => this.#care());
    this.#unsubscribe = context.book.onChange(() => this.#renew());
    this.#renew();
  }

  close(): void {
    this.#unsubscribe();
    this.#cancel();
  }

  #renew(): void {
    this.roll.renew();
    this.#notice();
  }

  /** Waits until a network may send a registration of so many bytes. @throws Fault busy */
  async admit(network: string, bytes: number): Promise<void> {
    const { clock } = this.#context;
    const now = clock.now();
    const own = this.#rates.get(network) ?? new RateLimit(networkRate, now);
    remember(this.#rates, network, own);
    const charge = Math.max(bytes, leastCharge);
    // What one address sends beyond its own rate must not use up that of all.
    const ownWait = own.take(charge, now);
    const allWait = ownWait === undefined ? undefined : this.#rate.take(charge, now);
    if (ownWait === undefined || allWait === undefined) {
      throw new Fault("busy", "Too many registrations come at once: try again in some seconds.");
    }
    const wait = Math.max(ownWait, allWait);
    if (wait > 0) await new Promise<void>((done) => clock.after(wait, done));
  }

  /**
   * Registers a machine that asks for a token.
   * @throws Fault secret_refused, node_registered, too_many_nodes, too_many_attempts, book_unusable
   */
  async register(by: Actor, asked: Registration): Promise<Registered> {
    try {
      const history = await this.#historyOf(asked.hostname);
      const token = newSecret();
      const ground = this.#groundOf(by, asked.secret);
      const node = this.#enter({ by, asked, way: "portal", ground, history, token: hashOf(token) });
      return { node, token };
    } catch (error) {
      if (error instanceof Fault) this.#tell(by, asked, error);
      throw error;
    }
  }

  /**
   * Registers a client of the logger, which gets no token. It may prove that somebody trusts it by one of the API.
   * @throws Fault as `register`
   */
  async enter(by: Actor, asked: Omit<Registration, "secret">): Promise<NodeRecord> {
    try {
      const history = await this.#historyOf(asked.hostname);
      const ground = this.#groundOfClient(by);
      // It may have registered meanwhile, by another request.
      const known = this.roll.nodes().get(asked.hostname);
      if (known !== undefined) return known;
      return this.#enter({ by, asked, way: "logger", ground, history, token: undefined });
    } catch (error) {
      if (error instanceof Fault) this.#tell(by, asked, error);
      throw error;
    }
  }

  /** Time of the newest sample that history has under a name. */
  async #historyOf(host: string): Promise<number | undefined> {
    const known = await this.#context.history.known({ host });
    return known.length === 0 ? undefined : Math.max(...known.map(({ last }) => last));
  }

  /** @throws Fault node_registered, too_many_nodes, book_unusable */
  #enter({ by, asked, way, ground, history, token }: Entry): NodeRecord {
    const roll = this.roll;
    const context = this.#context;
    const known = roll.nodes().get(asked.hostname);
    if (this.#takenBy(asked.hostname) !== undefined) throw taken(asked.hostname, known?.way);
    if (known === undefined && roll.nodes().size >= mostNodes) throw new Fault("too_many_nodes", full.text);
    const state = this.#stateOf(ground, known);
    if (state === "waiting" && known === undefined) this.#checkRoom(by.origin);
    const before = known && placeBefore(known, by.origin);
    const { hostname, capabilities } = asked;
    const registered = context.clock.now();
    const others = history ?? (context.roster.polled().has(hostname) ? registered : undefined);
    const node = context.desk.do(by, {
      name: "node.register",
      needs: "open",
      target: hostname,
      details: {
        state,
        ...(known === undefined ? {} : { after: "reset" }),
        ...(before === undefined ? {} : { addressBefore: before }),
        ...(ground.by === "token" ? { token: ground.token.name } : {}),
      },
      write(book) {
        if (ground.by === "token" && ground.token.id !== undefined) book.useToken(ground.token.id, registered);
        const fresh = { way, state, registered, origin: by.origin, capabilities };
        if (known === undefined) return book.addNode({ hostname, host: hostname, history: others, ...fresh }, token);
        book.changeNode(known.id, { ...fresh, reset: false, taken: undefined, token });
        return { ...known, ...fresh };
      },
    });
    context.troubles.set(node.host, "name", undefined);
    if (before !== undefined) this.#tellMove(by, node, before);
    context.log.info(`${hostname} registered from ${by.origin}${state === "waiting" ? " and waits for approval" : ""}`);
    return node;
  }

  /** @throws Fault secret_refused, too_many_attempts */
  #groundOf({ origin }: Actor, given: string): Ground {
    const context = this.#context;
    const { register, secret } = this.#settings();
    const network = networkOf(origin);
    const now = context.clock.now();
    if (given !== "") {
      this.#checkAttempts(network, now);
      const token = context.book.token(hashOf(given));
      if (token?.scope === "enroll" && !isExpired(token, now)) return { by: "token", token };
      if (secret !== "" && timingSafeEqual(hashOf(given), hashOf(secret))) return { by: "secret" };
    }
    if (secret === "" && register !== "secret") return { by: "nothing" };
    if (given !== "") this.#countWrong(network, now);
    // As the Lab Portal says it.
    throw new Fault("secret_refused", "Invalid registration secret");
  }

  /** The ground of a client of the logger, whose protocol has no field for a secret. @throws Fault secret_refused */
  #groundOfClient(by: Actor): Ground {
    const { register, secret } = this.#settings();
    if (by.kind === "reporter" || by.kind === "enroller") return { by: "token", token: { name: by.name } };
    if (secret === "" && register !== "secret") return { by: "nothing" };
    throw new Fault(
      "secret_refused",
      "This hub registers only machines that know its secret or have a token (push.register, push.secret): a client of the logger sends a token of the scope push or enroll as Authorization: Bearer.",
    );
  }

  /** A reset keeps the approval: an administrator opens the name for one registration. */
  #stateOf(ground: Ground, known: NodeRecord | undefined): NodeState {
    if (this.#settings().register !== "approval" || ground.by === "token") return "approved";
    return known?.state ?? "waiting";
  }

  /** The host that has a name already, so that no machine may register with it. */
  #takenBy(hostname: string): string | undefined {
    const { roll } = this;
    const known = roll.nodes().get(hostname);
    if (known?.reset === false) return known.host;
    // Another machine was recognized as the host of this name.
    if (known === undefined && [...roll.nodes().values()].some(({ host }) => host === hostname)) return hostname;
    return [...roll.hosts().values()].find(({ name, shown }) => shown === hostname && name !== hostname)?.name;
  }

  /** Shows to administrators that a machine which was reset came from elsewhere: it may be another one. */
  #tellMove({ origin }: Actor, { host }: NodeRecord, before: string): void {
    this.#context.troubles.set(host, "move", trouble("moved", { origin, before }), shownMs);
  }

  /** @throws Fault too_many_nodes */
  #checkRoom(origin: string): void {
    const waiting = this.#waiting();
    const network = networkOf(origin);
    if (waiting.filter((node) => networkOf(node.origin) === network).length >= mostOfNetwork) {
      const message = `${mostOfNetwork} machines of this address wait for approval: an administrator must approve or delete them first.`;
      throw new Fault("too_many_nodes", message);
    }
    if (waiting.length < mostWaiting) return;
    const message = `${mostWaiting} machines wait for approval: an administrator must approve or delete them first.`;
    throw new Fault("too_many_nodes", message);
  }

  #waiting(): readonly NodeRecord[] {
    return [...this.roll.nodes().values()].filter(({ state }) => state === "waiting");
  }

  /** @throws Fault too_many_attempts */
  #checkAttempts(network: string, now: number): void {
    const { since = 0, count = 0 } = this.#wrong.get(network) ?? {};
    if (count < mostWrong || Math.abs(now - since) >= wrongMs) return;
    const retryAfter = Math.ceil((since + wrongMs - now) / 1000);
    throw new Fault(
      "too_many_attempts",
      `Too many wrong secrets came from this address: try again in ${retryAfter} s.`,
      { retryAfter },
    );
  }

  #countWrong(network: string, now: number): void {
    const last = this.#wrong.get(network);
    const { since, count } =
      last !== undefined && Math.abs(now - last.since) < wrongMs ? last : { since: now, count: 0 };
    remember(this.#wrong, network, { since, count: count + 1 });
  }

  /** Shows a refused registration to administrators, or records it; of many of one kind only some are recorded. */
  #tell(by: Actor, { hostname }: Pick<Registration, "hostname">, { code }: Fault): void {
    const { desk, troubles } = this.#context;
    const host = code === "node_registered" ? this.#takenBy(hostname) : undefined;
    if (host !== undefined) {
      const asked = this.roll.nodes().get(hostname)?.way === "logger" ? "client_name_asked" : "name_asked";
      troubles.set(host, "name", trouble(asked, { origin: by.origin, hostname }), shownMs);
    }
    if (code !== "secret_refused" && code !== "too_many_nodes" && code !== "too_many_attempts") return;
    const attempt: Attempt = { name: "node.register", target: hostname, details: { reason: code } };
    desk.refused(by, attempt);
  }

  /** Tells administrators that no further machine can register, or takes that back. */
  #notice(): void {
    const waiting = this.#waiting().length >= mostWaiting ? notice("nodes_waiting", { most: mostWaiting }) : undefined;
    this.#context.notice("push", this.roll.nodes().size >= mostNodes ? full : waiting);
  }

  /** Removes machines that nobody has approved for too long. */
  #care(): void {
    const context = this.#context;
    this.#cancel = context.clock.after(careMs, () => this.#care());
    try {
      const now = context.clock.now();
      const overdue = this.#waiting().filter(({ registered }) => now - registered >= waitingMs);
      const before = this.#overdue;
      this.#overdue = new Set(overdue.map(({ id }) => id));
      for (const node of overdue) if (before.has(node.id)) this.#expire(node);
    } catch (error) {
      context.log.warn(`machines that wait for approval are not looked after: ${(error as Error).message}`);
    }
  }

  /** Removes a machine, and what it sent, if that is all that history has of its name. */
  #expire({ id, hostname, origin, history }: NodeRecord): void {
    const { desk, forget, log, roster } = this.#context;
    const own = history === undefined && !roster.polled().has(hostname);
    const action: Action<void> = {
      name: "node.expire",
      needs: "owner",
      target: hostname,
      details: { from: origin, history: own },
      write: (book) => book.removeNode(id),
    };
    log.info(
      `${hostname} was not approved for seven days: its registration is removed${own ? ", and what it sent" : ""}`,
    );
    if (own) {
      forget(hub, action, hostname).catch((error: unknown) =>
        log.error(`the registration of ${hostname}, or what it sent, is not removed: ${String(error)}`),
      );
    } else desk.do(hub, action);
  }
}

const full = notice("nodes_full", { most: mostNodes });

/** Where a machine was before; undefined if that is in the network of the present address. */
function placeBefore({ origin, usedFrom = origin }: NodeRecord, now: string): string | undefined {
  return [origin, usedFrom].map(networkOf).includes(networkOf(now)) ? undefined : usedFrom;
}

const taken = (hostname: string, way: NodeWay | undefined): Fault =>
  new Fault(
    "node_registered",
    way === "logger"
      ? `A client of the GPU Metrics Logger has the name "${hostname}": an administrator can open it for this agent (gohm node reset).`
      : `A machine with the host name "${hostname}" is registered already: an administrator can reset its token or delete it.`,
  );

/** Sets an entry as the most recent one, and removes the least recent ones beyond a number of networks. */
function remember<T>(entries: Map<string, T>, network: string, entry: T): void {
  entries.delete(network);
  entries.set(network, entry);
  const oldest = entries.keys().next();
  if (entries.size > mostNetworks && !oldest.done) entries.delete(oldest.value);
}
