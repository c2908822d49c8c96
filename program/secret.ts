import { statSync } from "node:fs";
import { flagOf, type Row, type StartSources, type Table } from "./setting.ts";

/** Permission bits of other users. Group permissions are allowed: a service has a group of its own. */
const others = 0o007;

function readable(path: string): boolean {
  try {
    return (statSync(path).mode & others) !== 0;
  } catch {
    return false; // reading the secret reports the error
  }
}

/**
 * Lists warnings about secrets that other users of this machine can read: on the command line, which the list of processes
 * shows, and in files with permissions for others.
 * @param keys Paths of private keys and of other files with secrets; "" for none.
 */
export function secretWarnings(table: Table, { flags, env }: StartSources, keys: readonly string[]): string[] {
  const secrets: readonly Row<unknown>[] = Object.values(table).filter((row) => row.secret === true);
  const shown = secrets
    .filter((row) => flags[flagOf(row)] !== undefined)
    .map(
      (row) =>
        `Every user of this machine can see --${flagOf(row)} in the list of processes: give it with ${row.env}_FILE or ${row.env}`,
    );
  const files = [...secrets.map((row) => env[`${row.env}_FILE`] ?? ""), ...keys];
  const open = files
    .filter((path) => path !== "" && readable(path))
    .map((path) => `Every user of this machine can read the secret in ${path}: chmod o-rwx ${path}`);
  return [...shown, ...open];
}
