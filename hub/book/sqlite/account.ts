import { quoted } from "../../../program/setting.ts";
import type { Database } from "../../database/database.ts";
import { Fault } from "../../fault.ts";
import { type Account, accountKey, type ExternalIdentity, type Role } from "../book.ts";
import { passwordHash, text, whole } from "./column.ts";

/** An account as statements select it. */
export interface AccountRow {
  readonly id: number;
  readonly name: string;
  readonly role: Role;
  readonly has_password: 0 | 1;
  readonly created: number;
  readonly used: number | null;
  readonly issuer: string | null;
  readonly subject: string | null;
}

const columns = "id, name, role, password IS NOT NULL AS has_password, created, used, issuer, subject";

export const accountOf = ({ id, name, role, has_password, created, used, issuer, subject }: AccountRow): Account => ({
  id,
  name,
  role,
  hasPassword: has_password === 1,
  ...(issuer !== null && subject !== null && { external: { issuer, subject } }),
  created,
  used: used ?? undefined,
});

/** Fields of an account that can change; a password that is undefined is removed. */
interface AccountChange {
  readonly name?: string;
  readonly role?: Role;
  readonly password?: string | undefined;
  readonly used?: number;
}

/** The table of accounts, with its statements prepared. */
export class AccountTable {
  readonly #all;
  readonly #named;
  readonly #external;
  readonly #password;
  readonly #insert;
  readonly #setName;
  readonly #setRole;
  readonly #setPassword;
  readonly #setUsed;
  readonly #remove;

  constructor(file: Database) {
    this.#all = file.prepare(`SELECT ${columns} FROM account ORDER BY key`);
    this.#named = file.prepare(`SELECT ${columns} FROM account WHERE key = ?`);
    this.#external = file.prepare(`SELECT ${columns} FROM account WHERE issuer = ? AND subject = ?`);
    this.#password = file.prepare("SELECT password FROM account WHERE key = ?").pluck();
    this.#insert = file.prepare(
      `INSERT INTO account (name, key, role, password, created, issuer, subject)
       VALUES (@name, @key, @role, @password, @created, @issuer, @subject)`,
    );
    this.#setName = file.prepare("UPDATE account SET name = ?, key = ? WHERE id = ?");
    this.#setRole = file.prepare("UPDATE account SET role = ? WHERE id = ?");
    this.#setPassword = file.prepare("UPDATE account SET password = ? WHERE id = ?");
    this.#setUsed = file.prepare("UPDATE account SET used = ? WHERE id = ?");
    this.#remove = file.prepare("DELETE FROM account WHERE id = ? RETURNING name").pluck();
  }

  all(): Account[] {
    return (this.#all.all() as AccountRow[]).map(accountOf);
  }

  named(name: string): Account | undefined {
    const row = this.#named.get(accountKey(name)) as AccountRow | undefined;
    return row && accountOf(row);
  }

  external({ issuer, subject }: ExternalIdentity): Account | undefined {
    const row = this.#external.get(issuer, subject) as AccountRow | undefined;
    return row && accountOf(row);
  }

  passwordOf(name: string): string | undefined {
    return (this.#password.get(accountKey(name)) as string | null | undefined) ?? undefined;
  }

  /** @throws Fault name_taken, bad_request */
  add(
    {
      name,
      role,
      created,
      external,
    }: Pick<Account, "name" | "role" | "created"> & { readonly external?: ExternalIdentity },
    password: string | undefined,
  ): Account {
    const other = this.named(name);
    if (other !== undefined) throw new Fault("name_taken", `There is an account ${quoted(other.name)} already.`);
    const row = {
      name: text(name, "name of an account"),
      key: accountKey(name),
      role,
      password: passwordHash(password),
      created: whole(created, "time of creation"),
      issuer: external === undefined ? null : text(external.issuer, "issuer of an account"),
      subject: external === undefined ? null : text(external.subject, "subject of an account"),
    };
    const same = external && this.external(external);
    if (same !== undefined) throw new Fault("name_taken", `The account ${quoted(same.name)} is that person's already.`);
    const { lastInsertRowid } = this.#insert.run(row);
    const id = Number(lastInsertRowid);
    const hasPassword = password !== undefined;
    return { id, name, role, hasPassword, ...(external && { external }), created, used: undefined };
  }

  /** @throws Fault name_taken, bad_request */
  change(id: number, change: AccountChange): void {
    if (change.name !== undefined) this.#rename(id, change.name);
    if (change.role !== undefined) this.#setRole.run(change.role, id);
    if ("password" in change) this.#setPassword.run(passwordHash(change.password), id);
    if (change.used !== undefined) this.#setUsed.run(whole(change.used, "time of the last sign-in"), id);
  }

  #rename(id: number, name: string): void {
    const other = this.named(name);
    if (other !== undefined && other.id !== id) {
      throw new Fault("name_taken", `There is an account ${quoted(other.name)} already.`);
    }
    this.#setName.run(text(name, "name of an account"), accountKey(name), id);
  }

  /** @returns its name, if there was one */
  remove(id: number): string | undefined {
    return this.#remove.get(id) as string | undefined;
  }
}
