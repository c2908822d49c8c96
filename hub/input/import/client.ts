import { nearest } from "../../../program/hint.ts";
import { clean } from "../../../proto/clean.ts";
import type { InputContext } from "../input.ts";

/** Clients of the file that a note names. */
const mostNamed = 8;

/** The host that was named for rows without a client_name, which may be mistyped. */
export class NamedClient {
  /** Its own name. */
  readonly key: string;
  readonly #given: string;
  /** Names of all hosts before the import. */
  readonly #names: readonly string[];

  private constructor(given: string, key: string, names: readonly string[]) {
    this.#given = given;
    this.key = key;
    this.#names = names;
  }

  /** @param given its own name, or its shown one @throws Fault of the history */
  static async find(
    given: string,
    { roster, history }: Pick<InputContext, "roster" | "history">,
  ): Promise<NamedClient> {
    const known = await history.known();
    const names = new Set([...roster.names(), ...known.map(({ host }) => host)]);
    return new NamedClient(given, roster.keyOf(given), [...names]);
  }

  /** What may not be meant, in sentences. @param hosts those of the rows that were stored */
  notes(hosts: readonly string[]): string[] {
    const name = `"${clean(this.#given, 64)}"`;
    if (!hosts.includes(this.key)) {
      const named = hosts.slice(0, mostNamed).map((host) => clean(host, 64));
      const all = `${named.join(", ")}${hosts.length > mostNamed ? ", …" : ""}`;
      return hosts.length === 0 ? [] : [`No stored row is of ${name}, as each has its own client_name: ${all}.`];
    }
    if (this.#names.includes(this.key)) return [];
    const near = nearest(this.#given, this.#names);
    const hint = near === undefined ? "." : `: did you mean "${clean(near, 64)}"?`;
    return [`There was no host ${name} before, so it has these rows alone${hint}`];
  }
}
