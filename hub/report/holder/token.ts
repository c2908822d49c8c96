import { statSync } from "node:fs";
import { resolve } from "node:path";
import { readText } from "../../../program/file.ts";
import type { TaskSource } from "../settings.ts";

/** Most bytes of a file with a token. */
const limit = 65_536;
/** Permission bits of other users. */
const others = 0o007;

/** A token, or why there is none. */
export interface Token {
  /** Secret; undefined without one. */
  readonly token?: string;
  /** What is wrong with it; says nothing of its text. */
  readonly issue?: string;
}

/** Reads the token of the task API anew. */
export function readToken({ token, tokenFile }: TaskSource): Token {
  if (token !== "") return checked(token, "GOHM_REPORTS_TASKS_TOKEN");
  if (tokenFile === "") {
    return { issue: "There is no token for the task API (reports.tasks.token_file, GOHM_REPORTS_TASKS_TOKEN)" };
  }
  const path = resolve(tokenFile);
  const place = `${path} (reports.tasks.token_file)`;
  try {
    const found = checked(readText(path, limit), place);
    if (found.token === undefined || (statSync(path).mode & others) === 0) return found;
    return { ...found, issue: `Every user of this machine can read the token in ${place}: chmod o-rwx ${path}` };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = { ENOENT: "there is no such file", EACCES: "this user may not read it" }[code ?? ""] ?? message;
    return { issue: `The token of the task API cannot be read from ${place}: ${why}` };
  }
}

function checked(text: string, place: string): Token {
  // What was copied from a request has the name of the scheme before it.
  const token = text.trim().replace(/^Bearer\s+/i, "");
  if (token === "") return { issue: `The token of the task API in ${place} is empty` };
  // An error of the HTTP client would quote it.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    return { issue: `The token of the task API in ${place} has characters that no token has, such as spaces or lines` };
  }
  return { token };
}
