import { create } from "@bufbuild/protobuf";
import { CsvReader, type CsvRecord } from "../../../program/csv.ts";
import { LineDecoder } from "../../../program/encoding.ts";
import type { Zone } from "../../../program/zone.ts";
import { gpuKey } from "../../../proto/device.ts";
import { GPUInfoSchema, HostInfoSchema } from "../../../proto/gen/host_pb.js";
import { foreignKind, kindBytes } from "../../csv/kind.ts";
import { FormError, type ReadCard, type ReadRow, RowReader } from "../../csv/read.ts";
import { Fault } from "../../fault.ts";
import type { JsonAnswer } from "../../route/route.ts";
import type { transferRoutes } from "../../route/transfer.ts";
import type { InputContext } from "../input.ts";

/** Milliseconds of work before it yields to polls and viewers. */
const patienceMs = 4;
/** Rows between two looks at the time. */
const stride = 64;
/** Reports that the history takes before it is asked whether it can take more. */
const mostReports = 2000;
/** Hosts of one file: more of them are a mistake, and history has their names for ever. */
const mostHosts = 1000;
/** Cards of a report. */
const mostCards = 256;
/** Errors that are reported. */
const mostErrors = 20;

interface FileImportOptions extends Pick<InputContext, "ingest" | "history"> {
  readonly zone: Zone;
  /** Client of rows without one. */
  readonly client: string | undefined;
  /** Called now and then; ends the import by throwing. */
  readonly pause: () => void;
}

/** Rows of one host and time. */
interface Report {
  readonly client: string;
  readonly at: number;
  readonly cards: Map<number, ReadCard>;
  /** Lines of its rows. */
  readonly lines: number[];
}

type Imported = JsonAnswer<typeof transferRoutes.import>;

/** Takes one file into the history, piece by piece. */
export class FileImport {
  readonly #options: FileImportOptions;
  readonly #decoder = new LineDecoder();
  readonly #records = new CsvReader();
  readonly #rows: RowReader;
  #start: Buffer | undefined = Buffer.alloc(0);
  /** The report of each client that is not complete. */
  readonly #reports = new Map<string, Report>();
  readonly #hosts = new Set<string>();
  /** Names that count towards the limit: those of hosts, and of reports that are not complete. */
  readonly #clients = new Set<string>();
  /** Of each client, until when history has cards that are known by their indices alone, by index. Unix milliseconds. */
  readonly #indexed = new Map<string, ReadonlyMap<number, number>>();
  /** Clients of which that is to be asked. */
  #strangers: string[] = [];
  #given = 0;
  #begun = 0;
  #count = { rows: 0, stored: 0, failed: 0 };
  #half = false;
  #from = Number.POSITIVE_INFINITY;
  #to = Number.NEGATIVE_INFINITY;
  readonly #errors: { line: number; message: string }[] = [];

  constructor(options: FileImportOptions) {
    this.#options = options;
    this.#rows = new RowReader(options);
  }

  /** What was imported until now. */
  get result(): Imported {
    const isKnown = this.#from <= this.#to;
    return {
      ...this.#count,
      unreadable: this.#rows.unreadable,
      half: this.#half,
      encoding: this.#decoder.encoding ?? "ascii",
      hosts: [...this.#hosts].sort(),
      from: isKnown ? this.#from : null,
      to: isKnown ? this.#to : null,
      timezone: this.#options.zone.name,
      errors: this.#errors,
    };
  }

  /** @throws Fault media_type_refused, bad_request, history_unwritable */
  async add(piece: Uint8Array): Promise<void> {
    if (this.#start === undefined) return this.#read(piece);
    this.#start = Buffer.concat([this.#start, piece]);
    if (this.#start.length >= kindBytes) await this.#open(this.#start);
  }

  /** @throws Fault as `add` */
  async end(): Promise<Imported> {
    if (this.#start !== undefined) await this.#open(this.#start);
    await this.#take(this.#records.read(this.#decoder.end()));
    this.#last();
    await this.#learn();
    this.#flush();
    await this.#options.history.ready();
    return this.result;
  }

  /** Stores what was read before an error. */
  async stop(): Promise<void> {
    try {
      if (this.#start !== undefined) await this.#open(this.#start);
      await this.#learn();
      this.#flush();
    } catch {
      // The error before is reported, and explains this one.
    }
  }

  /** Stores the reports that wait for further rows. */
  #flush(): void {
    const reports = [...this.#reports.values()];
    this.#reports.clear();
    for (const report of reports) this.#store(report);
  }

  /** @throws Fault media_type_refused for what is not CSV */
  async #open(start: Buffer): Promise<void> {
    this.#start = undefined;
    const kind = foreignKind(start.subarray(0, kindBytes));
    if (kind !== undefined) throw new Fault("media_type_refused", `The body must be CSV: it is ${kind}.`);
    await this.#read(start);
  }

  async #read(piece: Uint8Array): Promise<void> {
    await this.#take(this.#records.read(this.#decoder.read(piece)));
  }

  async #take(records: Iterable<CsvRecord>): Promise<void> {
    let seen = 0;
    for (const record of records) {
      this.#row(record);
      if (this.#strangers.length > 0) await this.#learn();
      if (this.#given >= mostReports) {
        this.#given = 0;
        this.#options.pause();
        await this.#options.history.ready();
        this.#begun = performance.now();
      }
      if (++seen % stride === 0) await this.#pause();
    }
    // Also a piece without a record: a line may be a gigabyte long.
    await this.#pause();
  }

  /** Asks history for the cards of clients that are new in the file, before their first report is stored. */
  async #learn(): Promise<void> {
    for (const host of this.#strangers.splice(0)) {
      const cards = await this.#options.history.known({ host, level: "gpu" });
      const indexed = cards.flatMap(({ key, index: id, last }) =>
        id !== undefined && key === gpuKey({ id }) ? [[id, last] as const] : [],
      );
      this.#indexed.set(host, new Map(indexed));
    }
  }

  /** Lets other work run if that is due. */
  async #pause(): Promise<void> {
    if (performance.now() - this.#begun < patienceMs) return;
    await new Promise<void>((done) => setImmediate(done));
    this.#begun = performance.now();
  }

  /** The line after the last line end: half of one, unless it shows that it is whole. */
  #last(): void {
    const last = this.#records.end();
    if (last === undefined) return;
    const { line, cells, closed } = last;
    if (cells !== undefined && (closed || !this.#rows.begun || this.#rows.knows(cells))) {
      this.#row(last);
      return;
    }
    this.#half = true;
    this.#count.rows++;
    this.#fail(line, "the line stops half-way");
  }

  #row({ line, cells, isLong }: CsvRecord): void {
    const wrong = isLong ? "the line is too long" : "its quotes are wrong";
    const row = cells === undefined ? { message: wrong } : this.#parsed(cells);
    if (row === undefined) return;
    this.#count.rows++;
    if ("message" in row) this.#fail(line, row.message);
    else this.#group(row, line);
  }

  /** @throws Fault bad_request if nothing of the file can be read */
  #parsed(cells: readonly string[]): ReturnType<RowReader["read"]> {
    try {
      return this.#rows.read(cells);
    } catch (error) {
      if (!(error instanceof FormError)) throw error;
      if (this.#count.rows === 0) throw new Fault("bad_request", `${error.message}.`, { cause: error });
      return { message: error.message };
    }
  }

  #group({ at, client, gpu, card }: ReadRow, line: number): void {
    if (this.#clients.size >= mostHosts && !this.#clients.has(client)) {
      this.#fail(line, `a file may have rows of ${mostHosts} clients: this is a further one`);
      return;
    }
    if (!this.#clients.has(client)) this.#strangers.push(client);
    this.#clients.add(client);
    let report = this.#reports.get(client);
    if (report !== undefined && (report.at !== at || report.cards.has(gpu) || report.cards.size >= mostCards)) {
      this.#store(report);
      report = undefined;
    }
    report ??= { client, at, cards: new Map(), lines: [] };
    this.#reports.set(client, report);
    report.cards.set(gpu, card);
    report.lines.push(line);
  }

  /** @throws Fault history_unwritable */
  #store({ client, at, cards, lines }: Report): void {
    const gpus = [...cards].map(([id, card]) => create(GPUInfoSchema, { ...card, id }));
    // Records of a client that has become an agent since have no uuid, and must not be there again under that of the card.
    const isIndexed = (id: number): boolean => at <= (this.#indexed.get(client)?.get(id) ?? Number.NEGATIVE_INFINITY);
    try {
      this.#options.ingest.imported(client, create(HostInfoSchema, { sampled: BigInt(at), gpus }), isIndexed);
    } catch (error) {
      if (!(error instanceof Fault && error.code === "sample_bad")) throw error;
      // With the zone: where another one is set than that of the file, its newest rows seem to be of the future.
      const { zone } = this.#options;
      const given = `${zone.format(at)} in the time zone ${zone.name} (hub.timezone)`;
      for (const line of lines) this.#fail(line, `its time must be from December 2019 up to now: it is ${given}`);
      return;
    }
    this.#given++;
    this.#hosts.add(client);
    this.#count.stored += lines.length;
    this.#from = Math.min(this.#from, at);
    this.#to = Math.max(this.#to, at);
  }

  #fail(line: number, message: string): void {
    this.#count.failed++;
    if (this.#errors.length < mostErrors) this.#errors.push({ line, message });
  }
}
