import type { Readable } from "node:stream";
import { type Completion, type Line, type Option, readLine, UsageError, verbOf } from "../../program/line.ts";
import {
  optionsOf,
  path,
  type Row,
  type SettingReader,
  type StartSources,
  type Table,
  text,
  webAddress,
} from "../../program/setting.ts";
import type { Log } from "../log.ts";
import type { Arguments, JsonAnswer, JsonRoute, Route } from "../route/route.ts";
import { table as settings } from "../settings.ts";

/** A word after the verb that is no option. */
export interface Positional {
  /** As help writes it: "FILE". */
  readonly name: string;
  /** What is wanted, for messages: "file". */
  readonly noun: string;
  readonly optional?: true;
  /** There may be more of it; the last one only. */
  readonly many?: true;
  /** What completes it: as for options, or the names of commands. */
  readonly completion?: Completion | "command";
}

/** A verb of gohm. Help, completion and docs/cli.md are made from this row. */
export interface Command {
  /** One word, or two: "node list". */
  readonly name: string;
  /** What it does, as half a sentence for lists of commands. */
  readonly summary: string;
  /** Further sentences. */
  readonly details?: string;
  readonly positionals: readonly Positional[];
  /** What it works on: a running hub (named by --hub and its variables), the data folder, or neither. */
  readonly needs: "hub" | "data" | "nothing";
  /** Its own options, beside those that `needs` and `lists` bring. */
  readonly options: readonly Option[];
  /** Takes every setting of the hub as an option: shown in help, or accepted and not shown, as old command lines have them. */
  readonly settings?: "shown" | "taken";
  /** Prints rows, and takes the options for their form. */
  readonly lists?: true;
  /** Exit statuses. A usage error ends with 2 if that is listed, else with 1. */
  readonly exits: Readonly<Record<number, string>>;
  /** @returns Exit status; undefined if it runs until it is stopped. @throws Fault, Failure, SettingError, UsageError */
  run(context: Context): Promise<number | undefined>;
}

/** Everything that a command may use. */
export interface Context {
  /** Positional words: as many as the row wants, none of them empty. */
  readonly words: readonly string[];
  /** Options of the line and variables of the environment. */
  readonly given: StartSources;
  /** Values of an option that may be there several times, in order. */
  all(option: string): readonly string[];
  /** This program's version. */
  readonly version: string;
  /** All verbs. */
  readonly commands: readonly Command[];
  readonly log: Log;
  /** The hub that the line or the environment names. @throws SettingError */
  hub(): HubClient;
  /** Prints a line as it is. Not for text from a machine or a hub. */
  print(line: string): void;
  /** Standard output, for output of any length. */
  output(): NodeJS.WritableStream;
  /** Prints a line for people on standard error, which a script that takes the output does not get. */
  note(line: string): void;
  /** Standard input, and where its prompts go. */
  readonly terminal: Terminal;
  /** Prints rows in the form that the options name. */
  show<T>(listing: Listing<T>): void;
}

/** A terminal, or what stands in its place. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  /** Prompts do not go to standard output, which a script may take. */
  readonly prompts: NodeJS.WritableStream;
}

/** A connection to a hub. */
export interface HubClient {
  /** Its address with a slash at the end; undefined for the hub of a data folder. */
  readonly base: string | undefined;
  /**
   * Calls a route that answers JSON.
   * @param body Sent as JSON; undefined for a route without one.
   * @returns The answer, checked against the schema of the route.
   * @throws Failure
   */
  call<R extends JsonRoute>(route: R, args: Arguments<R>, body?: unknown): Promise<JsonAnswer<R>>;
  /**
   * Sends a body of any length. An error of its pieces ends the request, and is thrown.
   * @throws Failure; Refusal if the hub does not take the body
   */
  send<R extends JsonRoute>(route: R, args: Arguments<R>, body: StreamedBody): Promise<JsonAnswer<R>>;
  /**
   * Asks for an answer of any length. It ends with an error if the connection is cut before it is complete.
   * @throws Failure
   */
  receive<R extends Route>(route: R, args: Arguments<R>): Promise<Readable>;
}

/** A body that is sent while it is read. */
export interface StreamedBody {
  readonly type: string;
  readonly pieces: AsyncIterable<Uint8Array>;
}

/** A value in a row. Undefined is unknown, which is never shown as 0; a list may be shown with one entry per line. */
export type Cell = string | number | undefined | readonly string[];

export interface ListingColumn<T> {
  /** Key of the value in CSV and in parsable output: "min_mem". */
  readonly name: string;
  /** Its name for people; `name` if absent. */
  readonly title?: string;
  value(row: T): Cell;
  /** The value for people, with its unit or in words; `value` if absent. */
  text?(row: T): Cell;
  /** Only in output for programs: people see it in another column. */
  readonly hidden?: true;
  /** Colour on a terminal. */
  tone?(row: T): "good" | "bad" | undefined;
}

/** Rows to print. */
export interface Listing<T> {
  readonly columns: readonly ListingColumn<T>[];
  readonly rows: readonly T[];
  /** What is printed as JSON. */
  readonly json: unknown;
  /** For people, prints each value on a line of its own, after its name: for few, long rows. */
  readonly upright?: true;
}

/** A time for people, in the zone of this machine: "2027-01-15 09:05:00". @param time Unix milliseconds */
export function localTime(time: number): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return String(time);
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":")}`;
}

/** @param what names the option or word in the message @throws UsageError if a word is none of those allowed */
export function checkChoice(what: string, word: unknown, allowed: readonly string[]): void {
  if (allowed.some((one) => one === word)) return;
  throw new UsageError(`${what} wants one of ${allowed.join(", ")}: it was given "${word}"`);
}

/** An expected failure of a command; the message is for the user. */
export class Failure extends Error {
  override name = "Failure";
}

/** The hub refuses a request for what it contains; others may succeed. */
export class Refusal extends Failure {
  override name = "Refusal";
}

/** Address of a hub; a name or an IP address with a port may lack its "http://". */
const hubAddress: SettingReader<string> = {
  ...webAddress,
  hint: (value) => (typeof value === "string" && /^[\w.-]+:\d{1,5}$/.test(value) ? `http://${value}` : undefined),
};

/** Settings that name the hub to ask. */
export const connection = {
  hub: {
    name: "hub",
    env: "GOHM_HUB",
    default: "",
    help: "Address of the hub to ask. Without one, the hub that runs on the data folder is asked through its control socket.",
    reader: hubAddress,
    only: "start",
  },
  ca: {
    name: "hub-ca",
    env: "GOHM_HUB_CA",
    default: "",
    help: "Certificate authority (PEM file) of a hub at an https address, beside those of the system.",
    reader: path("file"),
    only: "start",
  },
  token: {
    name: "hub-token",
    env: "GOHM_HUB_TOKEN",
    default: "",
    help: "Token for the hub at an address; GOHM_HUB_TOKEN_FILE names a file that contains it.",
    reader: text("a text without line breaks", (value) => !/[\r\n]/.test(value)),
    secret: true,
    only: "env",
  },
} satisfies Table;

/** The row that names the data folder. */
const data: Table = Object.fromEntries(Object.entries(settings).filter(([, row]) => row.name === "data"));

/** Settings shown as options or variables of a command, in order. */
export function settingsOf(command: Command): readonly Row<unknown>[] {
  const shown = command.settings === "shown" ? settings : {};
  const needed = { hub: { ...connection, ...data }, data, nothing: {} }[command.needs];
  return Object.values<Row<unknown>>({ ...shown, ...needed });
}

const always: readonly Option[] = [
  { name: "help", short: "h", help: "Prints help." },
  { name: "version", short: "v", help: "Prints the version." },
  { name: "no-color", help: "Prints without colours, as NO_COLOR in the environment and a pipe do." },
];

/** Options for the form of output; without one, rows are printed for people. */
const forms: readonly Option[] = [
  { name: "json", help: "Prints JSON." },
  { name: "csv", help: "Prints CSV (RFC 4180)." },
  { name: "parsable", short: "P", help: 'Prints columns with "|" between them, without units.' },
];

/** True if the options ask for output for programs. */
export const isForPrograms = (flags: StartSources["flags"]): boolean => forms.some(({ name }) => flags[name] === true);

/** Lets a setting that is true or false take the next word as its value, as gohm always accepted. */
const lenient = (option: Option): Option => (option.bare ? { ...option, takesNext: true } : option);

const asOptions = (rows: readonly Row<unknown>[]): Option[] =>
  optionsOf(Object.fromEntries(rows.map((row) => [row.name, row]))).map(lenient);

/** Options of a command as help shows them. */
export const shownOptions = (command: Command): Option[] => [
  ...asOptions(settingsOf(command)),
  ...command.options,
  ...(command.lists ? [...forms, ...always.filter(({ name }) => name === "no-color")] : []),
];

/** What people write who know other programs. */
export const synonyms: ReadonlyMap<string, string> = new Map([
  ["start", "serve"],
  ["run", "serve"],
  ["health", "status"],
  ["save", "backup"],
  ["version", "--version"],
  ["nodes", "node list"],
  ["hosts", "node list"],
  ["accounts", "account list"],
  ["tokens", "token list"],
  ["log", "audit"],
]);

const byName = (options: readonly Option[]): Option[] => [
  ...new Map(options.map((option) => [option.name, option])).values(),
];

/** Options of a command that shells complete. */
export const offeredOptions = (command: Command): Option[] => byName([...shownOptions(command), ...always]);

/** Options that a command takes. */
export function takenOptions(command: Command): Option[] {
  const also = command.settings === "taken" ? asOptions(Object.values(settings)) : [];
  return byName([...offeredOptions(command), ...also]);
}

/** A parsed command line. */
export interface Invocation {
  readonly command: Command;
  /** False if the line names no command, so that the first one runs. */
  readonly named: boolean;
  readonly line: Line;
}

/**
 * Parses a command line. Options may precede the verb: which of them take a value is known from all commands together.
 * @param commands The first one is called where the line names none.
 * @throws Misuse
 */
export function invocationOf(args: readonly string[], commands: readonly [Command, ...Command[]]): Invocation {
  const [first] = commands;
  const found = misused(first, () => findVerb(args, commands));
  const command = found?.verb ?? first;
  const nouns = command.positionals.map(({ noun }) => noun);
  const { flags, words, ...more } = misused(command, () => readLine(args, takenOptions(command), nouns));
  const asked = forms.flatMap(({ name }) => (flags[name] === true ? [`--${name}`] : []));
  if (asked.length > 1) {
    throw new Misuse(command, `${asked.join(" and ")} exclude each other: name one form of output`);
  }
  const rest = found === undefined ? words : words.slice(command.name.split(" ").length);
  return { command, named: found !== undefined, line: { flags, words: rest, ...more } };
}

function findVerb(args: readonly string[], commands: readonly Command[]) {
  let words: readonly string[];
  try {
    words = readLine(args, byName(commands.flatMap(takenOptions))).words;
  } catch {
    // The parser of the command itself reports the error better: it knows the options of that command.
    const first = new Set(commands.map(({ name }) => name.split(" ")[0]));
    // Options may precede the verb, other words may not.
    const at = args[0]?.startsWith("-") ? args.findIndex((arg) => first.has(arg)) : 0;
    words = at < 0 ? [] : args.slice(at).filter((arg) => !arg.startsWith("-"));
  }
  return verbOf(words, commands, synonyms);
}

/** A usage error of a command, with its exit status. */
export class Misuse extends UsageError {
  override name = "Misuse";
  readonly status: number;

  constructor({ name, exits }: Command, message: string) {
    const end = /[.?!]$/.test(message) ? "" : ".";
    super(`${message}${end} See gohm ${["serve", "help"].includes(name) ? "--help" : `help ${name}`}.`);
    this.status = exits[2] === undefined ? 1 : 2;
  }
}

function misused<T>(command: Command, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof UsageError ? new Misuse(command, error.message) : error;
  }
}

/** @throws Misuse if there are too few words or too many, or an empty one. */
export function checkWords(command: Command, words: readonly string[]): void {
  const { name, positionals } = command;
  const least = positionals.filter(({ optional }) => !optional).length;
  const most = positionals.at(-1)?.many ? Number.POSITIVE_INFINITY : positionals.length;
  if (words.length >= least && words.length <= most && !words.includes("")) return;
  const wanted = positionals
    .map(({ noun, optional, many }) => `${optional ? "at most " : many ? "at least " : ""}one ${noun}`)
    .join(" and ");
  const given = words.length === 0 ? "none" : `"${words.join(" ")}"`;
  throw new Misuse(command, `gohm ${name} wants ${wanted || "no further word"}: it was given ${given}`);
}

/** Synopsis of a command: "gohm backup [OPTIONS] FILE". */
export function usageOf(command: Command): string {
  const words = command.positionals.map(({ name, optional, many }) => {
    const repeated = many ? `${name}...` : name;
    return optional ? `[${repeated}]` : repeated;
  });
  return ["gohm", command.name, ...(shownOptions(command).length > 0 ? ["[OPTIONS]"] : []), ...words].join(" ");
}
