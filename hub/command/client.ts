import { type ClientRequest, type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { resolve } from "node:path";
import { readText } from "../../program/file.ts";
import { redact } from "../../program/redact.ts";
import { load } from "../../program/setting.ts";
import { clean } from "../../proto/clean.ts";
import { requestOn } from "../http/socket.ts";
import { type Call, call, isAnswerOf, type Route } from "../route/route.ts";
import { type Given, started } from "../settings.ts";
import { port } from "../who.ts";
import { connection, Failure, type HubClient } from "./command.ts";

/** Time limits of a request, in milliseconds. */
export interface Patience {
  /** Between two bytes, the connection included. */
  readonly silence: number;
  /** Until the answer is complete. */
  readonly whole: number;
}

const usual: Patience = { silence: 10_000, whole: 60_000 };

/** Size limit for an answer that is read into memory. Bytes. */
const largest = 64 * 2 ** 20;

/** How a hub is reached. */
type Door =
  | { readonly kind: "address"; readonly base: URL; readonly named: string; readonly token: string }
  | { readonly kind: "control"; readonly folder: string };

/**
 * Creates a client of the hub that a command line or its environment names: at an address (--hub, GOHM_HUB), else on the data
 * folder (--data, GOHM_DATA). A flag overrides both variables. Connects with the first request.
 * @throws SettingError, Fault setting_bad
 */
export function openHub(given: Given, patience: Patience = usual): HubClient {
  const door = doorOf(given);
  return {
    async call(route, args, body) {
      checkOffered(door, route);
      const answer = await send(door, call(route, args, body), patience);
      if (answer.status !== 200) throw refused(door, route.path, answer);
      const value = parsed(door, answer.body);
      if (!isAnswerOf(route, value)) throw strange(door);
      return value;
    },
  };
}

/** The TCP port has no routes of the owner: its answer would be that of an older hub. @throws Failure */
function checkOffered(door: Door, { path, needs }: Route): void {
  if (door.kind === "control" || port.offers.includes(needs)) return;
  throw new Failure(
    `Only the user that the hub runs as, or root, may ask for ${path}, on the hub's machine: name its data folder (--data) instead of its address (${door.named})`,
  );
}

function doorOf(given: Given): Door {
  const { hub, token } = load(connection, { ...given, file: {}, secret: (path) => readText(path).trim() });
  const named = given.flags.hub === undefined ? "GOHM_HUB" : "--hub";
  if (hub === "" || (named === "GOHM_HUB" && given.flags.data !== undefined)) {
    return { kind: "control", folder: started(given).data };
  }
  return { kind: "address", base: new URL(hub.endsWith("/") ? hub : `${hub}/`), named, token };
}

const placeOf = (door: Door): string =>
  door.kind === "address" ? door.base.href.replace(/\/$/, "") : resolve(door.folder);

/** A complete answer. */
interface Answer {
  readonly status: number;
  readonly location: string;
  readonly body: string;
}

/** @throws Failure */
async function send(door: Door, request: Call, patience: Patience): Promise<Answer> {
  try {
    return await answerOf(begin(door, request), request.body, patience);
  } catch (error) {
    throw error instanceof Failure ? error : unreachable(door, error as NodeJS.ErrnoException);
  }
}

/** @throws Error of the file system */
function begin(door: Door, { method, path, headers }: Call): ClientRequest {
  const accepting = { accept: "application/json", ...headers };
  if (door.kind === "control") return requestOn(door.folder, { method, path, headers: accepting });
  const { base, token } = door;
  const request = base.protocol === "https:" ? requestHttps : requestHttp;
  const url = new URL(path.replace(/^\//, ""), base);
  const authorization = token === "" ? {} : { authorization: `Bearer ${token}` };
  // Through no proxy, unless NODE_USE_ENV_PROXY asks Node for one.
  return request(url, { method, headers: { ...accepting, ...authorization } });
}

function answerOf(sent: ClientRequest, body: string | undefined, { silence, whole }: Patience): Promise<Answer> {
  return new Promise((done, fail) => {
    const late = (text: string): void => void sent.destroy(Object.assign(new Error(text), { code: "ETIMEDOUT" }));
    const timer = setTimeout(() => late(`its answer takes longer than ${whole / 1000} s`), whole);
    const failed = (error: Error): void => {
      clearTimeout(timer);
      fail(error);
    };
    sent.setTimeout(silence, () => late(`nothing came for ${silence / 1000} s`));
    sent.once("error", failed);
    sent.once("response", (response: IncomingMessage) => {
      const pieces: Buffer[] = [];
      let size = 0;
      response.on("data", (piece: Buffer) => {
        size += piece.length;
        if (size > largest) sent.destroy(new Error(`its answer is larger than ${largest} bytes`));
        else pieces.push(piece);
      });
      response.once("error", failed);
      response.once("end", () => {
        clearTimeout(timer);
        done({
          status: response.statusCode ?? 0,
          location: response.headers.location ?? "",
          body: Buffer.concat(pieces).toString("utf8"),
        });
      });
    });
    sent.end(body);
  });
}

/** Reasons why Node rejects a certificate, by error code. */
const distrusted: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "it is signed by itself",
  SELF_SIGNED_CERT_IN_CHAIN: "its authority is not known here",
  UNABLE_TO_GET_ISSUER_CERT: "its authority is not known here",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its authority is not known here",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its authority is not known here",
  CERT_HAS_EXPIRED: "it has expired",
  CERT_NOT_YET_VALID: "it is not valid yet",
  ERR_TLS_CERT_ALTNAME_INVALID: "it is for another name",
};

/** Reasons why a connection fails, by error code. */
const network: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "the connection was cut",
  EHOSTUNREACH: "there is no way to that machine",
  ENETUNREACH: "there is no way to that network",
  ENOTFOUND: "there is no machine of that name",
  EAI_AGAIN: "the name could not be looked up",
};

function unreachable(door: Door, error: NodeJS.ErrnoException): Failure {
  const code = error.code ?? "";
  const fail = (text: string): Failure => new Failure(text, { cause: error });
  if (door.kind === "control") {
    const folder = placeOf(door);
    if (["ENOENT", "ENOTDIR", "ECONNREFUSED"].includes(code)) {
      return fail(
        `No hub runs on the data folder ${folder}: start one, name its folder (--data, GOHM_DATA), or name the address of a hub (--hub, GOHM_HUB)`,
      );
    }
    if (code === "EACCES") {
      return fail(
        `The data folder ${folder} belongs to another user: run this as the user that the hub runs as or as root, or name the hub's address (--hub, GOHM_HUB)`,
      );
    }
    return fail(`The hub ${at(door)} does not answer: ${network[code] ?? error.message}`);
  }
  const hub = `${placeOf(door)} (${door.named})`;
  if (distrusted[code] !== undefined) {
    return fail(
      `The certificate of ${hub} is not trusted: ${distrusted[code]}; NODE_EXTRA_CA_CERTS can name a file (PEM) with the authority that signed it`,
    );
  }
  if (code === "EPROTO") return fail(`No TLS is spoken at ${hub}: perhaps its address begins with http://`);
  if (code.startsWith("HPE_")) return fail(`No HTTP is spoken at ${hub}: perhaps its address begins with https://`);
  return fail(`Cannot reach a hub at ${hub}: ${network[code] ?? error.message}`);
}

/** Location of the hub, as part of a sentence. */
const at = (door: Door): string =>
  door.kind === "address" ? `at ${placeOf(door)} (${door.named})` : `on the data folder ${placeOf(door)}`;

const strange = (door: Door): Failure => new Failure(`What answers ${at(door)} is not a GOHM hub`);

function parsed(door: Door, body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new Failure(strange(door).message, { cause: error });
  }
}

/** The failure for an answer other than 200, with the hub's own message if it has one. */
function refused(door: Door, path: string, { status, location, body }: Answer): Failure {
  const hub = `The hub ${at(door)}`;
  const token = door.kind === "address" ? door.token : "";
  const { code, message } = errorIn(body);
  // A peer may echo the token.
  const words = clean(redact(message, [token]), 1024);
  if (status >= 300 && status < 400) {
    const to = clean(redact(location, [token]), 1024);
    return new Failure(`${hub} sends to another address, which is not followed: ${to || "it does not say which"}`);
  }
  if (status === 401) {
    if (token === "") return new Failure(`${hub} wants a token: GOHM_HUB_TOKEN, or GOHM_HUB_TOKEN_FILE`);
    return new Failure(`${hub} does not take this token (GOHM_HUB_TOKEN)`);
  }
  if (code === "page_unknown" || code === "method_refused") {
    return new Failure(`${hub} does not know ${path}: it is older than this program, and is to be upgraded`);
  }
  if (words !== "") return new Failure(`${hub} refuses: ${words}`);
  if (status === 403) return new Failure(`${hub} does not allow this (status 403)`);
  return status >= 500 ? new Failure(`${hub} failed to answer (status ${status})`) : strange(door);
}

/** Code and message of an error body; empty if it is not one of a hub. */
function errorIn(body: string): { code: string; message: string } {
  try {
    const { error } = JSON.parse(body) as { error?: { code?: unknown; message?: unknown } };
    if (typeof error?.code === "string" && typeof error.message === "string") {
      return { code: error.code, message: error.message };
    }
  } catch {
    // No JSON, or another one: the status says what can be said.
  }
  return { code: "", message: "" };
}
