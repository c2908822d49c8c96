import { type GenericSchema, type InferInput, type InferOutput, is } from "valibot";
import type { FaultCode } from "../fault.ts";
import type { Needs } from "../who.ts";
import type { Parameter, Parameters } from "./parameter.ts";

/** Shape of the errors of a group of routes: ours, or that of a program whose protocol the hub speaks. */
export type ErrorShape = "gohm" | "logger" | "portal";

/** A group of routes. */
interface Tag {
  readonly title: string;
  readonly description: string;
}

/** Groups of routes in the order of the documents: first those for people and their programs. */
export const tags: Readonly<Record<string, Tag>> = {
  v1: {
    title: "Hosts, GPUs, users and history",
    description:
      "What people and their programs ask today: which cards are free, who holds the others, and how they were used.",
  },
  history: {
    title: "History",
    description: "Metrics over time: of one host, or over all of them. docs/history.md says what is kept for how long.",
  },
  reports: {
    title: "Daily reports",
    description:
      "What the cards of each node did on a day, from the files in the folder of the reports. docs/reports.md describes them.",
  },
  transfer: {
    title: "CSV",
    description:
      "History as tables for spreadsheets, and files of the GPU Metrics Logger. docs/logger.md describes their form.",
  },
  live: {
    title: "Live state",
    description: "What the page shows, as it changes: messages of proto/feed.proto.",
  },
  logger: {
    title: "GPU Metrics Logger",
    description:
      "The interface of the NVIDIA GPU Metrics Logger, for its clients, dashboards and scripts. A client is a host, named by `client_name`. Errors have its shape.",
  },
  first: {
    title: "The first GOHM",
    description: "Two queries of the first GOHM, in its form; new programs ask `GET /api/history`.",
  },
  push: {
    title: "Machines that report by themselves",
    description:
      "The protocol of the Lab Portal, which its exporters and `hmonitor --server` speak (docs/push.md). Errors have its shape.",
  },
  session: {
    title: "Sign-in",
    description: "Sessions of accounts, for the hub's own page; programs use a token.",
  },
  admin: {
    title: "Administration",
    description: "Hosts, accounts, tokens and the audit log, for administrators.",
  },
  prometheus: {
    title: "Prometheus",
    description:
      "Metrics of the hub and of all hosts, and the exporters that Prometheus can scrape itself (docs/prometheus.md).",
  },
  hub: { title: "The hub", description: "The hub itself, and what describes its interface." },
  page: { title: "The page", description: "What a browser loads." },
  owner: { title: "For the hub's own user", description: "Only on the control socket in the data folder." },
};

/** Most bytes of the body of a route that declares no limit. */
export const bodyLimit = 65_536;

/**
 * One operation of the hub's HTTP interface. The application, /openapi.json, docs/api.md and the client call are made of
 * it. A declaration imports no handler, so that a client can import it.
 */
export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** "/host/{name}"; each name in braces is a parameter. */
  readonly path: string;
  /** The router's own pattern, where the path matches more or less than one segment for a parameter. */
  readonly pattern?: string;
  /** False if HEAD is refused; otherwise GET answers it, without a body. */
  readonly head?: false;
  readonly needs: Needs;
  /** Its group, one of `tags`. */
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly params?: Parameters;
  /** Schema of a JSON body. */
  readonly body?: GenericSchema;
  /** Bodies by media type that the handler reads by itself; of a foreign protocol, the schema only describes them. */
  readonly takes?: Readonly<Record<string, GenericSchema | "bytes">>;
  /** Most bytes of the body; `bodyLimit` if absent. */
  readonly limit?: number;
  /** Content of status 200 by media type: JSON by its schema. Empty if the route never answers 200. */
  readonly answer: Readonly<Record<string, GenericSchema | "text" | "bytes">>;
  /** Further statuses, with what they mean. */
  readonly others?: Readonly<Record<number, string>>;
  /** Faults of its own, beside those of every route. */
  readonly refuses: readonly FaultCode[];
  readonly faults?: ErrorShape;
  /** True if an API token of scope "enroll" identifies a client here: the route registers machines. */
  readonly enrolls?: true;
  /** True if pages of any web site may send the request and read the answer, without the browser's credentials (CORS). */
  readonly cors?: true;
  /**
   * What a request without encryption gets where the hub has a certificate: "served" for machines, which may know nothing
   * else, and probes; "redirected" to https for pages; a refusal in words if it is left out.
   */
  readonly plain?: "served" | "redirected";
  /** True if a query parameter that is not declared is refused: a mistyped filter must not change nothing without a word. */
  readonly strict?: true;
}

/** Routes by name. A name is also the operationId of OpenAPI. */
export type Routes = Readonly<Record<string, Route>>;

/** A route whose answer is JSON. */
export type JsonRoute = Route & { readonly answer: { readonly "application/json": GenericSchema } };

export type JsonAnswer<R extends JsonRoute> = InferOutput<R["answer"]["application/json"]>;

/** What a client sends to a route; undefined to one without a body. */
export type JsonBody<R extends Route> = R extends { readonly body: infer S extends GenericSchema }
  ? InferInput<S>
  : undefined;

/** True if a value is an answer that the route declares. */
export const isAnswerOf = <R extends JsonRoute>(route: R, value: unknown): value is JsonAnswer<R> =>
  is(route.answer["application/json"], value);

/** The router's pattern of a route. */
export const patternOf = ({ path, pattern }: Route): string => pattern ?? path.replaceAll(/\{(\w+)\}/g, ":$1");

export type ParametersOf<R extends Route> = R extends { readonly params: infer P } ? P : Record<never, Parameter>;

type Argument = string | number | readonly (string | number)[];
type RequiredOf<P> = { [K in keyof P]: P[K] extends { readonly required: string } ? K : never }[keyof P];

/** Arguments of a call: the required parameters of a route must be given. */
export type Arguments<R extends Route> = { readonly [K in keyof ParametersOf<R>]?: Argument } & {
  readonly [K in RequiredOf<ParametersOf<R>> & keyof ParametersOf<R>]: Argument;
};

export interface Call {
  readonly method: string;
  /** Path and query, relative to the hub's base. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The request of a client that calls a route. */
export function call<R extends Route>(route: R, args: Arguments<R>, body?: unknown): Call {
  const given = new Map(Object.entries(args as Readonly<Record<string, Argument>>));
  const path = route.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = String(given.get(name) ?? "");
    given.delete(name);
    return encodeURIComponent(value);
  });
  const query = new URLSearchParams();
  for (const [name, value] of given) {
    const values = [value].flat();
    if (route.params?.[name]?.form === "list") query.append(name, values.join(","));
    else for (const one of values) query.append(name, String(one));
  }
  // Legible, and the same to every reader of a query.
  const where = query.size > 0 ? `${path}?${String(query).replaceAll("%2C", ",")}` : path;
  if (body === undefined) return { method: route.method, path: where, headers: {} };
  const headers = { "Content-Type": "application/json" };
  return { method: route.method, path: where, headers, body: JSON.stringify(body) };
}
