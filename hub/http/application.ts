import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import type { GenericSchema } from "valibot";
import { nearest } from "../../program/hint.ts";
import { peerAddress } from "../../program/network.ts";
import { clean } from "../../proto/clean.ts";
import { noProxies } from "../door/proxies.ts";
import { asFault, Fault, validationFault } from "../fault.ts";
import type { Log } from "../log.ts";
import type { Refusals } from "../refusal.ts";
import { documentRoutes } from "../route/document.ts";
import { type Handler, type Served, serve } from "../route/handler.ts";
import { read } from "../route/parameter.ts";
import { bodyLimit, type ErrorShape, patternOf, type Route, type Routes } from "../route/route.ts";
import { type Actor, admit, type EntryPoint, may, type Needs, type RequestHead } from "../who.ts";
import { type BodyFormat, readBody } from "./body.ts";
import { AnswerBudget } from "./budget.ts";
import { errorResponse, faultOfStatus } from "./error.ts";
import { isForMachines } from "./machine.ts";
import { openapi } from "./openapi.ts";

export interface ApplicationOptions {
  readonly log: Log;
  /** Version of the hub, for /openapi.json. */
  readonly version?: string;
  readonly entry: EntryPoint;
  /** Shared by the applications of one hub. */
  readonly budget?: AnswerBudget;
  /** Called when it is known who sends a request, before its body is read. */
  readonly identified?: (request: HttpBindings["incoming"]) => void;
  /** Called when an answer is made. @param group that of the routes; undefined where there is no such path @param ms since its head came */
  readonly answered?: (group: string | undefined, status: number, ms: number) => void;
  /** Counts refused machines. */
  readonly refusals?: Pick<Refusals, "count">;
  /** Returns the https address of the hub, without a slash at the end, as long as it has a certificate. */
  readonly secureAddress?: (head: RequestHead) => string | undefined;
}

/** What a request leaves for the answer to it. */
interface Variables {
  route: Route;
  by: Actor;
  /** Host name that a machine says it has. */
  claimed: string;
  /** When its head came, as `performance.now()` has it. */
  begun: number;
}

type HubContext = Context<{ Variables: Partial<Variables> }>;

/** Serves the routes that an entry point offers, and /openapi.json, which describes them. */
export function application(parts: readonly { readonly routes?: Served }[], options: ApplicationOptions): Hono {
  const { log, version = "0", entry, budget = new AnswerBudget(), identified, refusals, answered } = options;
  const app = new Hono<{ Variables: Partial<Variables> }>();
  const offered: Record<string, Route> = {};
  let text: Uint8Array<ArrayBuffer> | undefined;
  const document = serve(documentRoutes, {
    openapi: ({ c }) => {
      // All answers share the bytes: 400 KB that were encoded for each would keep others from being accepted.
      text ??= Buffer.from(JSON.stringify(openapi(offered, version)));
      return c.body(text, { headers: { "Content-Type": "application/json" } });
    },
  });

  /** Notes that an answer is made. */
  const noted = (c: HubContext, answer: Response): Response => {
    const now = performance.now();
    answered?.(c.get("route")?.tag, answer.status, now - (c.get("begun") ?? now));
    return answer;
  };

  const add = (route: Route, handler: Handler): void => {
    const answer = (c: HubContext): Response | Promise<Response> => {
      c.set("route", route);
      const head = headOf(c, entry);
      const secure = options.secureAddress?.(head);
      if (secure !== undefined) {
        const redirection = withoutEncryption(c, route, secure);
        if (redirection !== undefined) return redirection;
      }
      // Before anything of the request but its head is read.
      const by = actorOf(entry, head, route);
      // Those of people are for https.
      if (secure !== undefined && (by.kind === "viewer" || by.kind === "administrator")) throw tlsNeeded(c, secure);
      c.set("by", by);
      const bindings = c.env as Partial<HttpBindings> | undefined;
      if (by.kind !== "anonymous" && bindings?.incoming !== undefined) identified?.(bindings.incoming);
      if (route.head === false && c.req.raw.method === "HEAD") return methodRefused(c);
      const given = valuesOf(route, c);
      const recheck = (): Actor => actorOf(entry, head, route);
      const request = {
        c,
        head,
        by,
        budget,
        given,
        current: () => currentActor(entry, head, { needs: route.needs, before: by }),
        recheck,
      };
      if (route.body === undefined) return handler({ ...request, body: undefined });
      const format = { schema: route.body, limit: route.limit ?? bodyLimit };
      // What identifies the client may have ended while the body was on its way.
      return bodyOf(c, format, route.faults).then((body) => handler({ ...request, by: recheck(), body }));
    };
    const shared = route.cors ? async (c: HubContext) => toAny(await answer(c)) : answer;
    app.on(route.method, patternOf(route), (c: HubContext): Response | Promise<Response> => {
      c.set("begun", performance.now());
      const made = shared(c);
      return made instanceof Promise ? made.then((one) => noted(c, one)) : noted(c, made);
    });
  };

  /** Counts a refusal of a machine. What is wrong with the reports of one that is registered is shown with it (trouble.ts). */
  const count = (c: HubContext, { code }: Fault): void => {
    if (!isForMachines(c.req.path)) return;
    if (c.get("by")?.kind === "node" && code !== "sign_in_needed") return;
    refusals?.count(headOf(c, entry).address, code, { host: c.get("claimed") });
  };

  const methodRefused = (c: HubContext): Response => {
    const there = Object.values(offered).filter((route) => matches(app, route, c.req.path));
    const shape = there[0] === undefined ? shapeNear(offered, c.req.path) : there[0].faults;
    const { method } = c.req.raw;
    const shared = there.filter(({ cors }) => cors);
    if (shared.length > 0 && isPreflight(c)) return preflight(shared.flatMap(methodsOf));
    const allow = [...new Set(there.flatMap(methodsOf))].join(", ");
    const message = allow === "" ? "There is nothing at this path." : `${takes(allow)}: the method was ${method}.`;
    const fault = new Fault(allow === "" ? "page_unknown" : "method_refused", message);
    count(c, fault);
    const answer = errorResponse(fault, { shape, accept: c.req.header("accept"), allow });
    return shared.length > 0 ? toAny(answer) : answer;
  };

  for (const { routes, handlers } of [document, ...parts.flatMap((part) => part.routes ?? [])]) {
    for (const [name, route] of Object.entries(routes)) {
      if (!entry.offers.includes(route.needs)) continue;
      if (Object.hasOwn(offered, name)) throw new Error(`Two routes have the name "${name}"`);
      offered[name] = route;
      add(route, handlers[name] as Handler);
    }
  }
  app.notFound((c) => noted(c, methodRefused(c)));
  app.onError((error, c) => {
    // Thrown by Hono and its middleware.
    const fault = error instanceof HTTPException ? faultOfStatus(error.status, error.message) : asFault(error);
    if (fault.code === "internal") log.error(`a request failed: ${error.stack ?? error.message}`);
    count(c, fault);
    const { faults: shape, cors } = c.get("route") ?? {};
    const answer = errorResponse(fault, { shape, accept: c.req.header("accept") });
    return noted(c, cors ? toAny(answer) : answer);
  });
  return app as unknown as Hono;
}

/**
 * Checks that a request may come without encryption although the hub has a certificate. Its cookies are not read.
 * @returns The redirection of a page
 * @throws Fault tls_needed
 */
function withoutEncryption(c: HubContext, { plain }: Route, secure: string): Response | undefined {
  c.req.raw.headers.delete("cookie");
  if (plain === "served") return undefined;
  const { method, url } = c.req.raw;
  if (plain === undefined || (method !== "GET" && method !== "HEAD")) throw tlsNeeded(c, secure);
  const { pathname, search } = new URL(url);
  return c.redirect(`${secure}${pathname}${search}`, 308);
}

const tlsNeeded = (c: HubContext, secure: string): Fault =>
  new Fault(
    "tls_needed",
    `This hub has a certificate: send the request to ${secure}${c.req.path}. Passwords and tokens that are sent over http can be read on the way.`,
  );

function headOf(c: HubContext, { proxies = noProxies, foreign }: EntryPoint): RequestHead {
  // A request without a connection is one of a test.
  const { socket, rawHeaders } = (c.env as Partial<HttpBindings> | undefined)?.incoming ?? {};
  const header = (name: string): string | undefined => c.req.header(name);
  const peer = peerAddress(socket ?? {});
  for (const name of foreign?.(peer) ?? []) c.req.raw.headers.delete(name);
  const encrypted = socket !== undefined && "encrypted" in socket;
  return {
    method: c.req.raw.method,
    header,
    times: (name) => (rawHeaders ?? []).filter((one, i) => i % 2 === 0 && one.toLowerCase() === name).length,
    peer,
    ...proxies.clientOf({ peer, encrypted, header }),
  };
}

/**
 * Finds out who sends a request, and checks that they have the right that a route needs.
 * @throws Fault sign_in_needed, access_denied, book_unusable
 */
function actorOf(entry: EntryPoint, head: RequestHead, { needs, enrolls }: Pick<Route, "needs" | "enrolls">): Actor {
  const open = entry.open();
  const anonymous: Actor = { kind: "anonymous", origin: head.address };
  try {
    const by = entry.identify(head, enrolls);
    admit(by, needs, { open });
    return by;
  } catch (error) {
    // What everyone may do needs no book: a disk that fails must not take live values from those who are signed in.
    if (asFault(error).code === "book_unusable" && may(anonymous, needs, open)) return anonymous;
    throw error;
  }
}

/** Who sent a request, as of now; undefined if they have lost the right. @param before who it was */
function currentActor(
  entry: EntryPoint,
  head: RequestHead,
  { needs, before }: { readonly needs: Needs; readonly before: Actor },
): Actor | undefined {
  try {
    const by = entry.identify(head);
    admit(by, needs, { open: entry.open() });
    return by;
  } catch (error) {
    // While the book cannot be read, nothing is known to have ended.
    return asFault(error).code === "book_unusable" ? before : undefined;
  }
}

/** Lets pages of any web site read an answer. */
function toAny(answer: Response): Response {
  answer.headers.set("Access-Control-Allow-Origin", "*");
  return answer;
}

/** True for a browser's question whether a page of another site may send a request. */
const isPreflight = ({ req }: HubContext): boolean =>
  req.raw.method === "OPTIONS" &&
  req.header("origin") !== undefined &&
  req.header("access-control-request-method") !== undefined;

/** Allows pages of any site to send requests with any headers; not with cookies, which a browser sends only if that is allowed by name. */
function preflight(methods: readonly string[]): Response {
  const headers = {
    "Access-Control-Allow-Methods": methods.join(", "),
    // The asterisk does not stand for Authorization, in which a page may send a token that it was given.
    "Access-Control-Allow-Headers": "*, Authorization",
    "Access-Control-Max-Age": "600",
  };
  return toAny(new Response(null, { headers }));
}

/** Shape of errors at a path without routes: that of the routes in its nearest folder with some, if all have the same. */
function shapeNear(routes: Routes, path: string): ErrorShape | undefined {
  for (let folder = path; folder !== ""; folder = folder.slice(0, folder.lastIndexOf("/"))) {
    const near = Object.values(routes).filter((one) => one.path === folder || one.path.startsWith(`${folder}/`));
    const [shape, ...others] = new Set(near.map(({ faults }) => faults));
    if (near.length > 0) return others.length === 0 ? shape : undefined;
  }
  return undefined;
}

/**
 * Reads a JSON body. What is wrong with it is a fault of the route's shape. The logger's server reads bodies without a type,
 * so its clients need not send one.
 * @throws Fault as readBody, validation_error
 */
async function bodyOf(c: Context, format: BodyFormat<GenericSchema>, shape: ErrorShape | undefined): Promise<unknown> {
  const isLogger = shape === "logger";
  try {
    return await readBody(c, { ...format, anyType: isLogger, everyPlace: isLogger });
  } catch (error) {
    const { errors } = asFault(error);
    throw isLogger && errors !== undefined ? validationFault(errors, { cause: error }) : error;
  }
}

const methodsOf = ({ method, head }: Route): string[] =>
  method === "GET" && head !== false ? ["GET", "HEAD"] : [method];

const takes = (allow: string): string =>
  allow === "GET, HEAD" ? "This path is only read, by GET or HEAD" : `This path takes ${allow}`;

/** True if the router leads requests for a path to this route. */
function matches(app: Pick<Hono, "router">, route: Route, path: string): boolean {
  return app.router.match(route.method, path)[0].some(([[, found]]) => found.path === patternOf(route));
}

/** @throws Fault bad_request */
function valuesOf({ path: form, params, strict }: Route, c: Context): Record<string, unknown> {
  if (params === undefined && !strict) return {};
  const query = c.req.queries();
  const known = Object.keys(params ?? {}).filter((name) => !form.includes(`{${name}}`));
  const stranger = strict && Object.keys(query).find((name) => !known.includes(name));
  if (typeof stranger === "string") throw unknownParameter(stranger, known);
  const path = c.req.param() as Readonly<Record<string, string>>;
  const values: Record<string, unknown> = {};
  for (const [name, parameter] of Object.entries(params ?? {})) {
    // A pattern of the router's own may match without a value.
    const isInPath = form.includes(`{${name}}`);
    const texts = isInPath ? [path[name] ?? ""] : Object.hasOwn(query, name) ? query[name] : undefined;
    values[name] = read(name, parameter, texts ?? []);
  }
  return values;
}

function unknownParameter(given: string, known: readonly string[]): Fault {
  const name = clean(given, 64);
  const hint = nearest(name, known);
  const more = hint === undefined ? `parameters are ${known.join(", ") || "(none)"}.` : `did you mean "${hint}"?`;
  return new Fault("bad_request", `There is no parameter ${JSON.stringify(name)}: ${more}`);
}
