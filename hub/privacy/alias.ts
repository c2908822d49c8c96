/** How an alias is made: "a.", "a. 2" from the first character of the name, or "#1", "#2" from nothing of it. */
export type AliasStyle = "initials" | "hidden";

/** Most names that have an alias, and most characters that names are counted by: machines choose names. */
const mostNames = 20_000;
const mostInitials = 4096;
/** Shortest time that a name keeps its alias without being used, in milliseconds. */
const keptMs = 3_600_000;

interface Alias {
  readonly text: string;
  /** True if the name was used as a person's. */
  person: boolean;
  /** Unix milliseconds of the last use. */
  used: number;
}

/**
 * Aliases of names, for viewers who may not see them. A name keeps its alias, no two names have the same one, and numbers are
 * given in the order in which names are first seen, so that they say nothing of the name. Bounded: names that were not used
 * for an hour give way to new ones.
 */
export class Aliases {
  readonly #style: AliasStyle;
  readonly #now: () => number;
  /** By name, the least recently used first. */
  readonly #aliases = new Map<string, Alias>();
  /** Aliases given so far, by their text before the number. */
  readonly #given = new Map<string, number>();

  constructor(style: AliasStyle, now: () => number) {
    this.#style = style;
    this.#now = now;
  }

  /**
   * The alias of a name.
   * @param name not empty
   * @param person true if it is the name of a person
   * @returns undefined if too many names are in use
   */
  of(name: string, person: boolean): string | undefined {
    const found = this.#aliases.get(name);
    if (found === undefined && !this.#hasRoom()) return undefined;
    const alias = found ?? { text: this.#make(name), person, used: 0 };
    alias.person ||= person;
    alias.used = this.#now();
    this.#aliases.delete(name);
    this.#aliases.set(name, alias);
    return alias.text;
  }

  /** The alias of a person; undefined if no person of that name is known. */
  ofPerson(name: string): string | undefined {
    const alias = this.#aliases.get(name);
    return alias?.person === true ? alias.text : undefined;
  }

  #hasRoom(): boolean {
    if (this.#aliases.size < mostNames) return true;
    const [oldest] = this.#aliases;
    if (oldest === undefined) return true;
    const [name, { used }] = oldest;
    // Also if the clock was set back.
    if (Math.abs(this.#now() - used) < keptMs) return false;
    this.#aliases.delete(name);
    return true;
  }

  #make(name: string): string {
    if (this.#style === "hidden") return `#${this.#count("#")}`;
    const first = String.fromCodePoint(name.codePointAt(0) ?? 0x3f);
    const initial = this.#given.has(first) || this.#given.size < mostInitials ? first : "?";
    const count = this.#count(initial);
    return count === 1 ? `${initial}.` : `${initial}. ${count}`;
  }

  /** Numbers are never given again. */
  #count(before: string): number {
    const count = (this.#given.get(before) ?? 0) + 1;
    this.#given.set(before, count);
    return count;
  }
}
