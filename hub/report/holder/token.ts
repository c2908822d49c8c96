import { statSync } from "node:fs";
import { resolve } from "node:path";
import { readText } from "../../../program/file.ts";
import { cause } from "../../cause.ts";
import type { Sentence } from "../../sentence.ts";
import type { TaskSource } from "../settings.ts";

/** Most bytes of a file with a token. */
const limit = 65_536;
/** Permission bits of other users. */
const others = 0o007;

/** A secret, or why there is none, which says nothing of its text. */
export type Token =
  | {
      readonly token: string;
      /** Text about a file that others can read. */
      readonly warning?: string;
    }
  | { readonly token?: never; readonly why: Sentence };

/** Reads the token of the task API anew. */
export function readToken({ token, tokenFile }: TaskSource): Token {
  if (token !== "") return checked(token, "GOHM_REPORTS_TASKS_TOKEN");
  if (tokenFile === "") {
    return { why: cause("token_missing") };
  }
  const path = resolve(tokenFile);
  const place = `${path} (reports.tasks.token_file)`;
  try {
    const found = checked(readText(path, limit), place);
    if (found.token === undefined || (statSync(path).mode & others) === 0) return found;
    return { ...found, warning: `Every user of this machine can read the token in ${place}: chmod o-rwx ${path}` };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const words = { ENOENT: cause("no_file"), EACCES: cause("may_not_read") }[code ?? ""] ?? message;
    return { why: cause("token_unread", { place, why: words }) };
  }
}

function checked(text: string, place: string): Token {
  // What was copied from a request has the name of the scheme before it.
  const token = text.trim().replace(/^Bearer\s+/i, "");
  if (token === "") return { why: cause("token_empty", { place }) };
  // An error of the HTTP client would quote it.
  return /^[\x21-\x7e]+$/.test(token) ? { token } : { why: cause("token_odd", { place }) };
}
