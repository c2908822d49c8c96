/** Candidates for a word: files, folders, fixed words, or none. */
export type Candidates = "file" | "folder" | readonly string[] | undefined;

/** A verb, reduced to what completion scripts contain. */
export interface Verb {
  /** One word, or two. */
  readonly name: string;
  readonly summary: string;
  readonly options: readonly Flag[];
  /** Its positional words; "command" is completed with the words of verbs. */
  readonly words: readonly { readonly offer: Candidates | "command"; readonly many: boolean }[];
}

export interface Flag {
  readonly name: string;
  readonly short: string | undefined;
  /** "optional" is accepted after "=" only. */
  readonly value: "none" | "optional" | "needed";
  readonly offer: Candidates;
  readonly help: string;
}

/** A script for verbs, of which the first one runs without a name; `head` is its first line. */
export type Script = (verbs: readonly Verb[], head: string) => string;

/** A text as one word of a POSIX shell. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Words of verbs by the words before them: first words under "", second words under the first. Values are summaries. */
export function nextWords(verbs: readonly Verb[]): Map<string, Map<string, string>> {
  const after = new Map<string, Map<string, string>>();
  for (const { name, summary } of verbs) {
    const words = name.split(" ");
    words.forEach((word, i) => {
      const before = words.slice(0, i).join(" ");
      const known = after.get(before) ?? new Map<string, string>();
      after.set(before, known.set(word, i + 1 < words.length ? (known.get(word) ?? `${word} …`) : summary));
    });
  }
  return after;
}

/** Options of all verbs that have a value, each once. */
export function valued(verbs: readonly Verb[]): Flag[] {
  const flags = verbs.flatMap(({ options }) => options).filter(({ value }) => value !== "none");
  return [...new Map(flags.map((flag) => [flag.name, flag])).values()];
}

/** Options whose value may be the next word. */
export const waiting = (verbs: readonly Verb[]): string[] =>
  valued(verbs).flatMap(({ name, value }) => (value === "needed" ? `--${name}` : []));

/** How many words a verb has. */
export const lengthOf = ({ name }: Verb): number => name.split(" ").length;

/** The first sentence of a help text, which is what a list has room for. */
export const brief = (help: string): string => /^.*?\.(?= |$)/s.exec(help)?.[0].replace(/\.$/, "") ?? help;
