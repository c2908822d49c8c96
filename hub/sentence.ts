import { clean } from "../proto/clean.ts";

/** Values of a sentence by their names, which end in the unit: `skewMs`. */
export type SentenceValues = Readonly<Record<string, string | number>>;

/**
 * What the hub says to people: in English, for scripts and the shell, and as a code with values, from which the page makes
 * the same sentence in another language. Texts among the values may come from elsewhere, and are quoted as they are.
 */
export interface Sentence {
  readonly code: string;
  readonly values: SentenceValues;
  readonly text: string;
}

/** A sentence of the hub, or a text from elsewhere, which is shown as it is. */
export type Words = Sentence | string;

/** Words from anywhere as they may be shown: without hidden characters, and of a bounded size in bytes. */
export const cleanWords = (words: Words, limit: number): Words =>
  typeof words === "string" ? clean(words, limit) : words;

/** The English text. */
export const textOf = (words: Words): string => (typeof words === "string" ? words : words.text);

/** English sentences by code, each made of named values. */
export type SentenceRows = Readonly<Record<string, (values: never) => string>>;

/** The sentences of a table in another language: the compiler finds one that is missing, or that has other values. */
export type Translation<Rows extends SentenceRows> = {
  readonly [Code in keyof Rows]: (...values: Parameters<Rows[Code]>) => string;
};

/**
 * Returns the function that makes sentences of a table.
 * @param limit size limit of the text and of each value, in bytes
 */
export function speaker<Rows extends SentenceRows>(rows: Rows, limit: number) {
  return <Code extends keyof Rows & string>(code: Code, ...given: Parameters<Rows[Code]>): Sentence => {
    const [raw = {}] = given as [SentenceValues?];
    const values = Object.fromEntries(
      Object.entries(raw).map(([name, value]) => [name, typeof value === "string" ? clean(value, limit) : value]),
    );
    const row = rows[code] as unknown as (values: SentenceValues) => string;
    return { code, values, text: clean(row(values), limit) };
  };
}
