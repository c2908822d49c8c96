import type { Zone } from "../../../program/zone.ts";
import { clean } from "../../../proto/clean.ts";
import { asFault, type BodyError, Fault, validationFault } from "../../fault.ts";
import { type JsonLimits, parseJson } from "../../push/json.ts";
import type { Client } from "./client.ts";
import { type BadRecord, type LoggerRecord, RecordReader } from "./record.ts";
import { type Element, Splitter } from "./splitter.ts";

/** Most bytes of a record; a usual one has 300. */
const longestRecord = 65_536;
/** Of a record that is longer than usual, or has numbers that only Python writes: many values take long to parse. */
const shortRecord = 2048;
const recordLimits: JsonLimits = { depth: 64, values: 1000 };
/** Most records of a request. */
const mostRecords = 1_000_000;
/** Most bytes after them that are read, to be ignored: most clients read an answer only when they have sent everything. */
const ignoredBytes = 1024 ** 3;
/** Bytes that are parsed before others get a turn: of the costliest elements some milliseconds. */
const parsedAtOnce = 49_152;
/** Bytes that an element counts as, beside its own. */
const elementBytes = 1024;
/** Records that are in memory before they are stored. */
const heldRecords = 2048;
/** Most clients of one request. */
const mostClients = 64;

export interface ReceptionOptions {
  readonly zone: Zone;
  /** Network address of the sender, for what is shown of a host. */
  readonly address: string;
  /** Finds the client of a name, or makes it. @throws Fault if records of that name are not taken */
  readonly clientOf: (name: string, first: LoggerRecord) => Promise<Client>;
  /** Makes the fault of a request with too many records. */
  readonly tooMany: (most: number) => Fault;
  /** Called when records were stored: throws if they cannot be written. */
  readonly written: () => Promise<void>;
}

/** Outcome of a request. */
export interface Received {
  readonly form: "array" | "object";
  readonly received: number;
  readonly failed: number;
  /** Time of the record, if there was one alone. */
  readonly timestamp: string | undefined;
}

const invalid: BodyError = { loc: ["body"], msg: "JSON decode error", type: "json_invalid" };
const tooManyClients: BodyError = {
  loc: ["body", "client_name"],
  msg: `A request may have records of at most ${mostClients} clients`,
  type: "too_long",
};

/** Receives one request with records: parses them while they arrive, and gives them to their clients. */
export class Reception {
  readonly #options: ReceptionOptions;
  readonly #reader: RecordReader;
  readonly #splitter = new Splitter(longestRecord);
  /** Records that are not stored yet, by client. */
  #held = new Map<string, LoggerRecord[]>();
  #heldCount = 0;
  readonly #clients = new Map<string, Client | Fault>();
  /** Clients whose clock turned out to be ahead in the middle of the request, with their newest time. */
  readonly #ahead = new Map<Client, number>();
  /** A client whose records are not kept before it is approved. */
  #unapproved: string | undefined;
  #isFull = false;
  #received = 0;
  #failed = 0;
  #timestamp: string | undefined;
  #errors: readonly BodyError[] = [invalid];
  /** The first bad record of each client, and how many are bad; "" for those without a name. */
  readonly bad = new Map<string, { count: number; readonly example: string }>();

  constructor(options: ReceptionOptions) {
    this.#options = options;
    this.#reader = new RecordReader(options.zone);
  }

  /** The clients of the request that are hosts. */
  *clients(): Generator<readonly [string, Client]> {
    for (const [name, client] of this.#clients) if (!(client instanceof Fault)) yield [name, client];
  }

  /**
   * Receives a body. What was complete is stored, also if the rest cannot be read.
   * @throws Fault validation_error, what keeps the records of all clients from being taken, and what reading throws
   */
  async receive(pieces: AsyncIterable<Buffer>): Promise<Received> {
    let failure: unknown;
    try {
      await this.#read(pieces);
    } catch (error) {
      failure = error;
    }
    await this.#store(true);
    for (const [client, newest] of this.#ahead) client.learn(newest);
    if (failure !== undefined) throw failure;
    if (this.#isFull) throw this.#options.tooMany(mostRecords);
    if (this.#ahead.size > 0) throw clockUnknown();
    if (this.#unapproved !== undefined) throw notApproved(this.#unapproved);
    const { form, complete } = this.#splitter;
    if (form === undefined || !complete) throw validationFault([invalid]);
    const refusal = [...this.#clients.values()].find((one) => one instanceof Fault);
    if (this.#received === 0 && refusal !== undefined) throw refusal;
    if (form === "object" && this.#received === 0) throw validationFault(this.#errors);
    return { form, received: this.#received, failed: this.#failed, timestamp: this.#timestamp };
  }

  async #read(pieces: AsyncIterable<Buffer>): Promise<void> {
    let parsedBytes = 0;
    const spend = async (bytes: number): Promise<void> => {
      parsedBytes += bytes;
      if (parsedBytes < parsedAtOnce) return;
      parsedBytes = 0;
      await turn();
    };
    let ignored = 0;
    for await (const piece of pieces) {
      if (this.#isFull) {
        ignored += piece.length;
        if (ignored > ignoredBytes) break;
        continue;
      }
      for (const element of this.#splitter.push(piece)) {
        this.#isFull = this.#received + this.#failed + this.#heldCount >= mostRecords;
        if (this.#isFull) break;
        // Before the next one: so the last part of a request is never empty.
        if (this.#heldCount >= heldRecords) await this.#store(false);
        this.#take(element);
        await spend(elementBytes + (element?.length ?? 0));
      }
      if (this.#splitter.broken) throw validationFault([invalid]);
      // Splitting takes time as well, also of what never becomes an element.
      await spend(piece.length / 4);
    }
  }

  #take(element: Element): void {
    const value = element === undefined ? undefined : parsed(element);
    if (value === undefined) {
      this.#refuse({ errors: [invalid], client: undefined });
      return;
    }
    const read = this.#reader.parse(value.json);
    if ("bad" in read) {
      this.#refuse(read.bad);
      return;
    }
    const { record } = read;
    this.#timestamp ??= record.timestamp;
    const held = this.#held.get(record.client);
    if (held !== undefined) held.push(record);
    else if (this.#clients.size + this.#held.size < 2 * mostClients) this.#held.set(record.client, [record]);
    else {
      this.#refuse({ errors: [tooManyClients], client: undefined });
      return;
    }
    this.#heldCount++;
  }

  #refuse({ errors, client = "" }: BadRecord, count = 1): void {
    this.#failed += count;
    const before = this.bad.get(client);
    if (before !== undefined) before.count += count;
    else if (this.bad.size <= mostClients) this.bad.set(client, { count, example: exampleOf(errors) });
    if (this.#errors[0] === invalid) this.#errors = errors;
  }

  /** Stores what is held. @param isLast true if no record follows */
  async #store(isLast: boolean): Promise<void> {
    const held = this.#held;
    this.#held = new Map();
    this.#heldCount = 0;
    for (const [name, records] of held) {
      const client = await this.#clientOf(name, records);
      if (client instanceof Fault) {
        this.#failed += records.length;
        continue;
      }
      if (this.#isAhead(client, records, isLast)) continue;
      if (client.identity.liveOnly) this.#unapproved = name;
      const { kept, failed } = await client.take(records, { isLast, address: this.#options.address, yielded: turn });
      this.#received += kept;
      if (failed > 0) this.#refuse({ errors: [outOfRange], client: name }, failed);
    }
    if (held.size > 0) await this.#options.written();
  }

  /** True if the clock of a client is not known, so that its records must come again when it is. */
  #isAhead(client: Client, records: readonly LoggerRecord[], isLast: boolean): boolean {
    const known = this.#ahead.get(client);
    if (isLast && known === undefined) return false;
    const newest = records.reduce((most, { at }) => Math.max(most, at), known ?? Number.NEGATIVE_INFINITY);
    if (known === undefined && !client.isAhead(newest)) return false;
    this.#ahead.set(client, newest);
    return true;
  }

  async #clientOf(name: string, [first]: readonly LoggerRecord[]): Promise<Client | Fault> {
    const known = this.#clients.get(name);
    if (known !== undefined || first === undefined) return known ?? new Fault("internal", "no record");
    if (this.#clients.size >= mostClients) return validationFault([tooManyClients]);
    const found = await this.#options.clientOf(name, first).catch((error: unknown) => {
      const fault = asFault(error);
      // What is wrong with the hub is wrong for all.
      if (fault.code === "internal" || fault.kind === "unavailable") throw error;
      return fault;
    });
    this.#clients.set(name, found);
    return found;
  }
}

const clockUnknown = (): Fault =>
  new Fault(
    "busy",
    "The clock or the time zone of this client is another one than the hub's, by how much is known now: send the records again.",
  );

const notApproved = (name: string): Fault =>
  new Fault(
    "approval_needed",
    `The hub knows the name ${JSON.stringify(name)} already, from an import or of another machine, so records of this client are not kept until an administrator approves it: send them again.`,
  );

const outOfRange: BodyError = {
  loc: ["body", "timestamp"],
  msg: "Input should be a time that history can have: since 2020, and not ahead of the hub's clock",
  type: "datetime_out_of_range",
};

/** The first error as text. Never a value, which may be anything. */
function exampleOf([error]: readonly BodyError[]): string {
  const { loc, msg } = error ?? invalid;
  return clean(loc.length > 1 ? `${loc.slice(1).join(".")}: ${msg}` : msg);
}

/** Parses an element; undefined if it is not valid JSON. NaN and infinite numbers, as Python writes them, are null. */
function parsed(element: Buffer): { readonly json: unknown } | undefined {
  if (element.length <= shortRecord) {
    try {
      return { json: JSON.parse(element.toString("utf8")) };
    } catch {
      // Below, as this is slower.
    }
  }
  try {
    return { json: parseJson(element, recordLimits) };
  } catch {
    return undefined;
  }
}

const turn = (): Promise<void> => new Promise((done) => setImmediate(done));
