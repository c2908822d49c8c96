import { quoted } from "../../../program/setting.ts";
import type { Database } from "../../database/database.ts";
import { Fault } from "../../fault.ts";
import type { ApiToken } from "../book.ts";
import { optionalWhole, sha256, text, whole } from "./column.ts";

type TokenRow = Omit<ApiToken, "expires" | "used"> & { readonly expires: number | null; readonly used: number | null };

const columns = "id, name, scope, created, creator, expires, used";

const tokenOf = ({ expires, used, ...row }: TokenRow): ApiToken => ({
  ...row,
  expires: expires ?? undefined,
  used: used ?? undefined,
});

/** The table of tokens of the API, with its statements prepared. */
export class TokenTable {
  readonly #all;
  readonly #get;
  readonly #named;
  readonly #insert;
  readonly #use;
  readonly #remove;

  constructor(file: Database) {
    this.#all = file.prepare(`SELECT ${columns} FROM token ORDER BY id`);
    this.#get = file.prepare(`SELECT ${columns} FROM token WHERE hash = ?`);
    this.#named = file.prepare("SELECT id FROM token WHERE name = ?").pluck();
    this.#insert = file.prepare(
      `INSERT INTO token (hash, name, scope, created, creator, expires)
       VALUES (@hash, @name, @scope, @created, @creator, @expires)`,
    );
    this.#use = file.prepare("UPDATE token SET used = ? WHERE id = ?");
    this.#remove = file.prepare("DELETE FROM token WHERE id = ?");
  }

  all(): ApiToken[] {
    return (this.#all.all() as TokenRow[]).map(tokenOf);
  }

  get(hash: Uint8Array): ApiToken | undefined {
    const row = this.#get.get(hash) as TokenRow | undefined;
    return row && tokenOf(row);
  }

  /** @throws Fault name_taken, bad_request */
  add(hash: Uint8Array, token: Omit<ApiToken, "id" | "used">): ApiToken {
    const { name, scope, created, creator, expires } = token;
    if (this.#named.get(name) !== undefined) throw new Fault("name_taken", `There is a token ${quoted(name)} already.`);
    const { lastInsertRowid } = this.#insert.run({
      hash: sha256(hash),
      name: text(name, "name of a token"),
      scope,
      created: whole(created, "time of creation"),
      creator: text(creator, "creator of a token"),
      expires: optionalWhole(expires, "end of a token"),
    });
    return { id: Number(lastInsertRowid), name, scope, created, creator, expires, used: undefined };
  }

  use(id: number, used: number): void {
    this.#use.run(whole(used, "last use of a token"), id);
  }

  remove(id: number): void {
    this.#remove.run(id);
  }
}
