import { clean } from "../proto/clean.ts";

/**
 * Values of a sentence by their names, which end in the unit: `skewMs`. A value that is a sentence itself, such as a reason, is
 * its English text; its code and values are there under their names behind a dot: `why`, `why.code`, `why.limitMs`.
 */
export type SentenceValues = Readonly<Record<string, string | number>>;

/**
 * What the hub says to people: in English, for scripts and the shell, and as a code with values, from which the page makes
 * the same sentence in another language. Texts among the values may come from elsewhere, and are quoted as they are.
 */
export interface Sentence {
  readonly code: string;
  readonly values: SentenceValues;
  readonly text: string;
  /** What those are told who may not see what it quotes; absent if nobody else than those who may is told it. */
  readonly open?: Sentence;
}

/** A sentence of the hub, or a text from elsewhere, which is shown as it is. */
export type Words = Sentence | string;

/** Words from anywhere as they may be shown: without hidden characters, and of a bounded size in bytes. */
export const cleanWords = (words: Words, limit: number): Words =>
  typeof words === "string" ? clean(words, limit) : words;

/** The English text. */
export const textOf = (words: Words): string => (typeof words === "string" ? words : words.text);

/** What those are told who may not see what words quote; "" if nothing. */
export const openText = (words: Words): Words => (typeof words === "string" ? "" : (words.open ?? ""));

/** English sentences by code, each made of named values. */
export type SentenceRows = Readonly<Record<string, (values: never) => string>>;

/** The sentences of a table in another language: the compiler finds one that is missing, or that has other values. */
export type Translation<Rows extends SentenceRows> = {
  readonly [Code in keyof Rows]: (...values: Parameters<Rows[Code]>) => string;
};

/** Values as they are given: a text may be a sentence. */
type Given<Parameters extends readonly unknown[]> = {
  readonly [At in keyof Parameters]: {
    readonly [Name in keyof Parameters[At]]:
      | Parameters[At][Name]
      | (Parameters[At][Name] extends string ? Sentence : never);
  };
};

/** How sentences of a table are made. */
export interface SpeakerOptions {
  /** Size limit of the text and of each value, in bytes. */
  readonly limit: number;
  /**
   * Names of texts that everybody may see. Given for sentences that also those are told who may not see people, addresses and
   * paths: rows make a sentence without any other text, too, which is "" then. Numbers are for everybody.
   */
  readonly open?: ReadonlySet<string>;
}

/** Returns the function that makes sentences of a table. */
export function speaker<Rows extends SentenceRows>(rows: Rows, { limit, open }: SpeakerOptions) {
  const made = (code: string, given: Readonly<Record<string, string | number | Sentence>>): Sentence => {
    const values = Object.fromEntries(
      Object.entries(given).flatMap(([name, value]): [string, string | number][] => {
        if (typeof value === "number") return [[name, value]];
        if (typeof value === "string") return [[name, clean(value, limit)]];
        const own = Object.entries({ code: value.code, ...value.values });
        return [
          [name, clean(value.text, limit)],
          ...own.map(([inner, held]) => [`${name}.${inner}`, held] as [string, string | number]),
        ];
      }),
    );
    const row = rows[code] as unknown as (values: SentenceValues) => string;
    return { code, values, text: clean(row(values), limit) };
  };
  const shown = (name: string, value: string | number | Sentence): string | number | Sentence => {
    if (typeof value === "object") return value.open ?? "";
    return typeof value === "number" || open?.has(name) ? value : "";
  };
  return <Code extends keyof Rows & string>(code: Code, ...given: Given<Parameters<Rows[Code]>>): Sentence => {
    const [raw = {}] = given as unknown as [Readonly<Record<string, string | number | Sentence>>?];
    const whole = made(code, raw);
    if (open === undefined) return whole;
    const some = Object.fromEntries(Object.entries(raw).map(([name, value]) => [name, shown(name, value)]));
    return { ...whole, open: made(code, some) };
  };
}
