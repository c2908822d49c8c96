import { nearest } from "./hint.ts";

/** Candidates that a shell offers for a value: files, folders, or fixed words. */
export type Completion = "file" | "folder" | readonly string[];

/** One option of a command line, as it is read and as help, completion and documents show it. */
export interface Option {
  /** Without its dashes: "listen-address". */
  readonly name: string;
  /** One letter that means the same: "h". */
  readonly short?: string;
  /** What help calls its value; an option without one is a switch. */
  readonly value?: string;
  /** The value may be left out. True if a word could be the value, which stands after "=". */
  readonly bare?: (word: string) => boolean;
  /** It may be there several times, and each value counts. */
  readonly many?: true;
  /** A bare option takes the next word if that could be its value; otherwise such a word is an error. */
  readonly takesNext?: true;
  readonly help: string;
  readonly completion?: Completion;
}

/** A command line, taken apart. */
export interface Line {
  /** By name of the option: its value, or true if it has none. Of an option that is there twice, the last one. */
  readonly flags: Readonly<Record<string, string | boolean>>;
  readonly words: readonly string[];
  /** All values of options that may be there several times, in order; absent without any. */
  readonly lists?: Readonly<Record<string, readonly string[]>>;
}

/** The command line cannot be understood; the message says what is wrong with it, and what may have been meant. */
export class UsageError extends Error {
  override name = "UsageError";
}

/**
 * Takes arguments apart. Options may be anywhere, with one dash or two, their values after a blank or "="; all that follows
 * "--" is words. @param nouns What words are: "date", for who takes it for an option. @throws UsageError
 */
export function readLine(args: readonly string[], options: readonly Option[], nouns: readonly string[] = []): Line {
  const flags: Record<string, string | boolean> = {};
  const words: string[] = [];
  const lists: Record<string, string[]> = {};
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (arg === "--") {
      words.push(...args.slice(i + 1));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      words.push(arg);
      continue;
    }
    const { option, inline } = optionOf(arg, options, nouns);
    const next = args[i + 1];
    if (option.bare !== undefined) {
      const fits = inline === undefined && next !== undefined && option.bare(next);
      if (fits && !option.takesNext) {
        throw new UsageError(`--${option.name} takes its value after an equals sign: --${option.name}=${next}`);
      }
      if (fits) i++;
      flags[option.name] = inline ?? (fits ? next : true);
    } else if (option.value === undefined) {
      if (inline !== undefined) throw new UsageError(`--${option.name} takes no value, and "${inline}" was given`);
      flags[option.name] = true;
    } else {
      const value = inline ?? next;
      if (value === undefined || (inline === undefined && isOption(value, options))) {
        throw new UsageError(`--${option.name} needs a value after it`);
      }
      if (inline === undefined) i++;
      flags[option.name] = value;
      if (option.many) {
        const values = lists[option.name] ?? [];
        values.push(value);
        lists[option.name] = values;
      }
    }
  }
  return Object.keys(lists).length > 0 ? { flags, words, lists } : { flags, words };
}

const written = /^--?([^=]*)(?:=(.*))?$/s;

function find(arg: string, options: readonly Option[]): Option | undefined {
  const [, name = ""] = written.exec(arg) ?? [];
  return name === "" ? undefined : options.find((option) => option.name === name || option.short === name);
}

const isOption = (word: string, options: readonly Option[]): boolean =>
  word.startsWith("-") && find(word, options) !== undefined;

function optionOf(
  arg: string,
  options: readonly Option[],
  nouns: readonly string[],
): { option: Option; inline: string | undefined } {
  const [, name = "", inline] = written.exec(arg) ?? [];
  const option = find(arg, options);
  if (option !== undefined) return { option, inline };
  if (nouns.includes(name)) throw new UsageError(`There is no option --${name}: give the ${name} as a word of its own`);
  const near = nearest(
    name,
    options.map((each) => each.name),
  );
  throw new UsageError(`There is no option --${name}${near === undefined ? "" : `: did you mean --${near}?`}`);
}

/**
 * The verb that a line's first words name, and the words after it. A verb may have two words ("node list").
 * @param meant What to name for a word that is no verb, beside the nearest one: "serve" for "start".
 * @returns Undefined if there are no words.
 * @throws UsageError that names the nearest verb
 */
export function verbOf<T extends { readonly name: string }>(
  words: readonly string[],
  verbs: readonly T[],
  meant: ReadonlyMap<string, string> = new Map(),
): { verb: T; rest: readonly string[] } | undefined {
  const [first] = words;
  if (first === undefined) return undefined;
  for (const count of [2, 1]) {
    const verb = verbs.find(({ name }) => name === words.slice(0, count).join(" "));
    if (verb !== undefined) return { verb, rest: words.slice(verb.name.split(" ").length) };
  }
  const below = verbs.flatMap(({ name }) => (name.startsWith(`${first} `) ? name.slice(first.length + 1) : []));
  if (below.length === 0)
    throw unknown(first, [...new Set(verbs.map(({ name }) => name.split(" ")[0] ?? ""))], meant.get(first));
  if (words[1] === undefined) throw new UsageError(`"${first}" needs one more word: ${below.join(", ")}`);
  throw unknown(
    `${first} ${words[1]}`,
    verbs.map(({ name }) => name),
  );
}

function unknown(command: string, known: readonly string[], near = nearest(command, known)): UsageError {
  return new UsageError(`There is no command "${command}"${near === undefined ? "" : `: did you mean "${near}"?`}`);
}

/** Options as lines for help. */
export function helpLines(options: readonly Option[]): string[] {
  return options.map((option) => `  ${formOf(option)}\n      ${option.help}`);
}

/** How an option is written: "-h, --help", "--data VALUE", "--exporter[=VALUE]", "--label KEY=VALUE...". */
export function formOf({ name, short, value, bare, many }: Option): string {
  const written = value === undefined ? "" : bare ? `[=${value}]` : ` ${value}${many ? "..." : ""}`;
  return `${short === undefined ? "" : `-${short}, `}--${name}${written}`;
}
