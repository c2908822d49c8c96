import { type ClientRequest, type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { resolve } from "node:path";
import { authorities } from "../../program/authorities.ts";
import { readText } from "../../program/file.ts";
import { redact } from "../../program/redact.ts";
import { load, type StartSources } from "../../program/setting.ts";
import { clean } from "../../proto/clean.ts";
import { requestOn } from "../http/socket.ts";
import { type Call, call, isAnswerOf, type JsonAnswer, type JsonRoute, type Route } from "../route/route.ts";
import { started } from "../settings.ts";
import { offered } from "../who.ts";
import { connection, Failure, type HubClient, Refusal } from "./command.ts";

/** Time limits of a request, in milliseconds. */
export interface Timeouts {
  /** Between two bytes, the connection included. */
  readonly silenceMs: number;
  /** Until the answer is complete; 0 without a limit. */
  readonly totalMs: number;
}

const usual: Timeouts = { silenceMs: 10_000, totalMs: 60_000 };

/** Of bodies and answers of any length: the hub may work for a while on what it has. */
const long: Timeouts = { silenceMs: 120_000, totalMs: 0 };

/** Size limit for an answer that is read into memory. Bytes. */
const largest = 64 * 2 ** 20;

/** Address or data folder of a hub. */
type HubEndpoint =
  | {
      readonly kind: "address";
      readonly base: URL;
      readonly named: string;
      readonly token: string;
      readonly ca: readonly string[];
    }
  | { readonly kind: "control"; readonly folder: string };

/**
 * Creates a client of the hub that a command line or its environment names: at an address (--hub, GOHM_HUB), else on the data
 * folder (--data, GOHM_DATA). A flag overrides both variables. Connects with the first request.
 * @throws SettingError, Fault setting_bad
 */
export function openHub(given: StartSources, timeouts: Timeouts = usual): HubClient {
  const endpoint = endpointOf(given);
  return {
    base: endpoint.kind === "address" ? endpoint.base.href : undefined,
    async call(route, args, body) {
      checkOffered(endpoint, route);
      const request = call(route, args, body);
      return answerValue(
        endpoint,
        route,
        await send(endpoint, request, timeouts, (sent) => void sent.end(request.body)),
      );
    },
    async send(route, args, { type, pieces }) {
      checkOffered(endpoint, route);
      const request = { ...call(route, args), headers: { "Content-Type": type } };
      return answerValue(endpoint, route, await send(endpoint, request, long, (sent) => void pump(sent, pieces)));
    },
    async receive(route, args) {
      checkOffered(endpoint, route);
      const response = await responseTo(endpoint, call(route, args));
      if (response.statusCode === 200) return response;
      throw refused(endpoint, route.path, await complete(response));
    },
  };
}

/** @throws Failure */
function answerValue<R extends JsonRoute>(endpoint: HubEndpoint, route: R, answer: HubAnswer): JsonAnswer<R> {
  if (answer.status !== 200) throw refused(endpoint, route.path, answer);
  const value = parsed(endpoint, answer.body);
  if (!isAnswerOf(route, value)) throw strange(endpoint);
  return value;
}

/** The TCP port has no routes of the owner: its answer would be that of an older hub. @throws Failure */
function checkOffered(endpoint: HubEndpoint, { path, needs }: Route): void {
  if (endpoint.kind === "control" || offered.includes(needs)) return;
  throw new Failure(
    `Only the user that the hub runs as, or root, may ask for ${path}, on the hub's machine: name its data folder (--data) instead of its address (${endpoint.named})`,
  );
}

function endpointOf(given: StartSources): HubEndpoint {
  const { hub, token, ca } = load(connection, { ...given, file: {}, secret: (path) => readText(path).trim() });
  const named = given.flags.hub === undefined ? "GOHM_HUB" : "--hub";
  if (hub === "" || (named === "GOHM_HUB" && given.flags.data !== undefined)) {
    return { kind: "control", folder: started(given).data };
  }
  const base = new URL(hub.endsWith("/") ? hub : `${hub}/`);
  const trusted =
    base.protocol === "https:" ? authorities({ ca, setting: '"hub-ca" (GOHM_HUB_CA)', env: given.env }) : [];
  return { kind: "address", base, named, token, ca: trusted };
}

const placeOf = (endpoint: HubEndpoint): string =>
  endpoint.kind === "address" ? endpoint.base.href.replace(/\/$/, "") : resolve(endpoint.folder);

/** A complete answer. */
interface HubAnswer {
  readonly status: number;
  readonly location: string;
  readonly body: string;
}

/** @param write sends the body @throws Failure; the error of a body */
async function send(
  endpoint: HubEndpoint,
  request: Call,
  timeouts: Timeouts,
  write: (sent: ClientRequest) => void,
): Promise<HubAnswer> {
  try {
    return await answerOf(begin(endpoint, request), write, timeouts);
  } catch (error) {
    if (error instanceof BodyError) throw error.cause;
    throw error instanceof Failure ? error : unreachable(endpoint, error as NodeJS.ErrnoException);
  }
}

/** An error of the body that is sent, not of the connection. */
class BodyError extends Error {}

/** Sends pieces as fast as they are taken, until the hub answers. */
async function pump(sent: ClientRequest, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  let isOver = false;
  let wake = (): void => {};
  const over = (): void => {
    isOver = true;
    wake();
  };
  sent
    .once("response", over)
    .once("close", over)
    .on("drain", () => wake());
  try {
    for await (const piece of pieces) {
      if (isOver) return;
      if (sent.write(piece)) continue;
      await new Promise<void>((done) => {
        wake = done;
        if (isOver) done();
      });
    }
    sent.end();
  } catch (error) {
    sent.destroy(new BodyError("the body cannot be read", { cause: error }));
  }
}

/** The head of an answer, whose body is the caller's to read. @throws Failure */
function responseTo(endpoint: HubEndpoint, request: Call): Promise<IncomingMessage> {
  return new Promise((done, fail) => {
    const failed = (error: NodeJS.ErrnoException): void => fail(unreachable(endpoint, error));
    try {
      const sent = begin(endpoint, request);
      const late = new Error(`no data for ${long.silenceMs / 1000} s`);
      sent.setTimeout(long.silenceMs, () => sent.destroy(Object.assign(late, { code: "ETIMEDOUT" })));
      sent.once("error", failed).once("response", done).end();
    } catch (error) {
      failed(error as NodeJS.ErrnoException);
    }
  });
}

/** @throws Error of the file system */
function begin(endpoint: HubEndpoint, { method, path, headers }: Call): ClientRequest {
  const accepting = { accept: "application/json", ...headers };
  if (endpoint.kind === "control") return requestOn(endpoint.folder, { method, path, headers: accepting });
  const { base, token, ca } = endpoint;
  const request = base.protocol === "https:" ? requestHttps : requestHttp;
  const url = new URL(path.replace(/^\//, ""), base);
  const authorization = token === "" ? {} : { authorization: `Bearer ${token}` };
  // Through no proxy, unless NODE_USE_ENV_PROXY asks Node for one.
  return request(url, { method, headers: { ...accepting, ...authorization }, ca: [...ca] });
}

function answerOf(
  sent: ClientRequest,
  write: (sent: ClientRequest) => void,
  { silenceMs, totalMs }: Timeouts,
): Promise<HubAnswer> {
  return new Promise((done, fail) => {
    const late = (text: string): void => void sent.destroy(Object.assign(new Error(text), { code: "ETIMEDOUT" }));
    const timer =
      totalMs === 0 ? undefined : setTimeout(() => late(`its answer takes longer than ${totalMs / 1000} s`), totalMs);
    const failed = (error: Error): void => {
      clearTimeout(timer);
      fail(error);
    };
    sent.setTimeout(silenceMs, () => late(`no data for ${silenceMs / 1000} s`));
    sent.once("error", failed);
    sent.once("response", (response: IncomingMessage) => {
      complete(response).then((answer) => {
        clearTimeout(timer);
        done(answer);
        // The hub may answer before it has read the body.
        if (!sent.writableFinished) sent.destroy();
      }, failed);
    });
    write(sent);
  });
}

/** Reads an answer to its end. @throws Error of the connection, or if it is too large */
function complete(response: IncomingMessage): Promise<HubAnswer> {
  return new Promise((done, fail) => {
    const pieces: Buffer[] = [];
    let size = 0;
    response.on("data", (piece: Buffer) => {
      size += piece.length;
      if (size > largest) response.destroy(new Error(`its answer is larger than ${largest} bytes`));
      else pieces.push(piece);
    });
    response.once("error", fail);
    response.once("end", () => {
      done({
        status: response.statusCode ?? 0,
        location: response.headers.location ?? "",
        body: Buffer.concat(pieces).toString("utf8"),
      });
    });
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
  EHOSTUNREACH: "there is no route to that machine",
  ENETUNREACH: "there is no route to that network",
  ENOTFOUND: "there is no machine of that name",
  EAI_AGAIN: "the name could not be looked up",
};

function unreachable(endpoint: HubEndpoint, error: NodeJS.ErrnoException): Failure {
  const code = error.code ?? "";
  const fail = (text: string): Failure => new Failure(text, { cause: error });
  if (endpoint.kind === "control") {
    const folder = placeOf(endpoint);
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
    return fail(`The hub ${at(endpoint)} does not answer: ${network[code] ?? error.message}`);
  }
  const hub = `${placeOf(endpoint)} (${endpoint.named})`;
  if (distrusted[code] !== undefined) {
    return fail(
      `The certificate of ${hub} is not trusted: ${distrusted[code]}; GOHM_HUB_CA can name a file (PEM) with the authority that signed it`,
    );
  }
  if (code === "EPROTO") return fail(`${hub} does not speak TLS: its address may begin with http://`);
  if (code.startsWith("HPE_")) return fail(`${hub} does not speak HTTP: its address may begin with https://`);
  return fail(`Cannot reach a hub at ${hub}: ${network[code] ?? error.message}`);
}

/** Location of the hub, as part of a sentence. */
const at = (endpoint: HubEndpoint): string =>
  endpoint.kind === "address"
    ? `at ${placeOf(endpoint)} (${endpoint.named})`
    : `on the data folder ${placeOf(endpoint)}`;

const strange = (endpoint: HubEndpoint): Failure => new Failure(`What answers ${at(endpoint)} is not a GOHM hub`);

function parsed(endpoint: HubEndpoint, body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new Failure(strange(endpoint).message, { cause: error });
  }
}

/** The failure for an answer other than 200, with the hub's own message if it has one. */
function refused(endpoint: HubEndpoint, path: string, { status, location, body }: HubAnswer): Failure {
  const hub = `The hub ${at(endpoint)}`;
  const token = endpoint.kind === "address" ? endpoint.token : "";
  const { code, message } = errorIn(body);
  // A peer may echo the token.
  const words = clean(redact(message, [token]), 1024);
  if (status >= 300 && status < 400) {
    const to = clean(redact(location, [token]), 1024);
    return new Failure(`${hub} redirects to another address, which is not followed: ${to || "none is given"}`);
  }
  if (status === 401) {
    if (token === "") return new Failure(`${hub} requires a token: GOHM_HUB_TOKEN, or GOHM_HUB_TOKEN_FILE`);
    return new Failure(`${hub} rejected this token (GOHM_HUB_TOKEN)`);
  }
  if (code === "page_unknown" && endpoint.kind === "address" && endpoint.base.pathname !== "/") {
    const { origin, pathname } = endpoint.base;
    const below = pathname.replace(/\/$/, "");
    return new Failure(
      `There is nothing at ${below}${path} of ${origin} (${endpoint.named}): check the path ${below} of the address; if it is right, the hub is older than this program`,
    );
  }
  if (code === "page_unknown" || code === "method_refused") {
    return new Failure(`${hub} does not know ${path}: it is older than this program; upgrade it`);
  }
  if (words !== "") return new (isForBody(status) ? Refusal : Failure)(`${hub} refuses: ${words}`);
  if (status === 403) return new Failure(`${hub} does not allow this (status 403)`);
  return status >= 500 ? new Failure(`${hub} failed to answer (status ${status})`) : strange(endpoint);
}

/** True for a status that says that something is wrong with what was sent. */
const isForBody = (status: number): boolean => [400, 413, 415, 422].includes(status);

/** Code and message of an error body; empty if it is not one of a hub. */
function errorIn(body: string): { code: string; message: string } {
  try {
    const { error } = JSON.parse(body) as { error?: { code?: unknown; message?: unknown } };
    if (typeof error?.code === "string" && typeof error.message === "string") {
      return { code: error.code, message: error.message };
    }
  } catch {
    // Not an error body of a hub: the status is all there is.
  }
  return { code: "", message: "" };
}
