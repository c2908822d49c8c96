import { type ConversionConfig, toJsonSchema, toJsonSchemaDefs } from "@valibot/to-json-schema";
import { type GenericSchema, getExamples, getTitle } from "valibot";
import { Fault, type FaultCode, faults } from "../fault.ts";
import { type Parameter, read } from "../route/parameter.ts";
import { bodyLimit, type ErrorShape, type Route, type Routes, tags } from "../route/route.ts";
import type { Needs } from "../who.ts";
import { errorBody, statusOf } from "./error.ts";

const target = "draft-2020-12";
const ref = (name: string): object => ({ $ref: `#/components/schemas/${name}` });

const string = { type: "string" };
const codes = { type: "string", enum: Object.keys(faults), description: "docs/faults.md" };

/** Schemas of errors; each shape has one of its own. */
const errors = {
  Error: {
    type: "object",
    required: ["error"],
    properties: {
      error: { type: "object", required: ["code", "message"], properties: { code: codes, message: string } },
    },
  },
  Problem: {
    description: "RFC 9457, sent where the header Accept names application/problem+json.",
    type: "object",
    required: ["title", "status", "detail", "code"],
    properties: { title: string, status: { type: "integer" }, detail: string, code: codes },
  },
  LoggerError: {
    type: "object",
    required: ["success", "detail", "error_code"],
    properties: {
      success: { const: false },
      detail: string,
      error_code: { type: "string", description: "A code of docs/faults.md in capitals, or INTERNAL_SERVER_ERROR." },
      errors: {
        description: "With status 422: what is wrong with the body, place by place.",
        type: "array",
        items: {
          type: "object",
          required: ["loc", "msg", "type"],
          properties: {
            loc: { type: "array", items: { type: ["string", "integer"] } },
            msg: string,
            type: string,
          },
        },
      },
    },
  },
  PortalError: {
    type: "object",
    required: ["error"],
    properties: { status: { const: "already_registered", description: "With status 409." }, error: string },
  },
} as const;

const contents: Readonly<Record<ErrorShape, Readonly<Record<string, keyof typeof errors>>>> = {
  gohm: { "application/json": "Error", "application/problem+json": "Problem" },
  logger: { "application/json": "LoggerError" },
  portal: { "application/json": "PortalError" },
};

const schemes = {
  token: { type: "http", scheme: "bearer", description: "An API token." },
  nodeToken: {
    type: "http",
    scheme: "bearer",
    description: "The token of a machine that reports by itself, or an API token of the scope `push`.",
  },
  session: {
    type: "apiKey",
    in: "cookie",
    name: "__Host-gohm",
    description:
      "The session of an account (`POST /api/v1/session`); where a proxy serves the hub below a path the cookie is called `__Secure-gohm`, and on plain http `gohm_session_http`. Requests that change something must come from the hub's own page.",
  },
} as const;

/** The security schemes of which one must be met; "none" if `auth.read` may let everyone read. */
const security: Readonly<Record<Needs, readonly (keyof typeof schemes | "none")[]>> = {
  open: [],
  read: ["none", "session", "token"],
  node: ["nodeToken"],
  admin: ["session", "token"],
  owner: [],
};

const about = `Times are Unix milliseconds unless a parameter or a field says otherwise. A parameter may be given once, unless it is repeated; an empty one counts as not given, and unknown ones are ignored, except where an operation says that they are refused.

**Who may ask.** Each operation says for whom it is (\`x-needs\`). A program sends an API token that an administrator has created, \`Authorization: Bearer TOKEN\`; a browser has the session of an account.

**Errors.** \`{"error": {"code": "…", "message": "…"}}\`, or a problem of RFC 9457 where the header Accept names \`application/problem+json\`; groups of routes that speak the protocol of another program have its shape. docs/faults.md lists the codes.

**Limits.** The address and headers of a request may have 16 KiB, a body ${bodyLimit / 1024} KiB unless its operation says otherwise. Answers of many megabytes are limited together: a client waits up to 10 seconds for its turn, then gets 503 with the header Retry-After; one that reads nothing for 30 seconds is disconnected.`;

/** The OpenAPI 3.1 document of some routes. */
export function openapi(routes: Routes, version: string): object {
  const all = Object.entries(routes);
  const titled = new Map(all.flatMap(([, route]) => schemasOf(route)).flatMap((one) => nameOf(one)));
  const defined = toJsonSchemaDefs(Object.fromEntries(titled), options(titled));
  const shapes = new Set(all.map(([, { faults: shape = "gohm" }]) => shape));
  const used = new Set([...shapes].flatMap((shape) => Object.values(contents[shape])));
  const needed = new Set(all.flatMap(([, { needs }]) => security[needs]).filter((scheme) => scheme !== "none"));
  const paths: Record<string, Record<string, object>> = {};
  for (const [name, route] of all) {
    const operations = paths[route.path] ?? {};
    operations[route.method.toLowerCase()] = operation(name, route, titled);
    paths[route.path] = operations;
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "GOHM hub",
      version,
      summary: "Watches GPU machines: which card is free, who holds the others, and which machine is broken.",
      description: about,
      license: { name: "MIT", identifier: "MIT" },
    },
    // Relative to this document, so that a proxy may serve the hub under a path.
    servers: [{ url: "./" }],
    tags: groupsOf(all.map(([, { tag }]) => tag)),
    paths,
    components: {
      schemas: { ...defined, ...pick(errors, used) },
      ...(needed.size > 0 ? { securitySchemes: pick(schemes, needed) } : {}),
    },
  };
}

/** The groups of some routes, in the order of `tags`. */
function groupsOf(named: readonly string[]): object[] {
  const used = new Set(named);
  return Object.entries(tags)
    .filter(([name]) => used.has(name))
    .map(([name, { title, description }]) => ({ name, description, "x-displayName": title }));
}

type Titled = ReadonlyMap<string, GenericSchema>;

const options = (titled: Titled): ConversionConfig => ({
  target,
  definitions: Object.fromEntries(titled) as NonNullable<ConversionConfig["definitions"]>,
  // Changes that a text survives, and which its document does not need; what a check wants is in the description.
  ignoreActions: ["trim", "normalize", "check"],
  // JSON Schema reads every pattern as Unicode: the flag "u" of a regular expression is no loss.
  overrideAction: ({ valibotAction, jsonSchema }) =>
    "requirement" in valibotAction && valibotAction.requirement instanceof RegExp
      ? { ...jsonSchema, pattern: valibotAction.requirement.source }
      : undefined,
  overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
});

const isSchema = (one: GenericSchema | "text" | "bytes"): one is GenericSchema => typeof one === "object";

/** Bodies of a route by media type. */
const bodiesOf = ({ body, takes = {} }: Route): NonNullable<Route["takes"]> =>
  body === undefined ? takes : { "application/json": body };

const schemasOf = (route: Route): GenericSchema[] =>
  [...Object.values(route.answer), ...Object.values(bodiesOf(route))].filter(isSchema);

function nameOf(schema: GenericSchema): [string, GenericSchema][] {
  const title = getTitle(schema as Parameters<typeof getTitle>[0]);
  return title === undefined ? [] : [[title, schema]];
}

const strictly = "A parameter that is not listed is refused.";
const anySite = "Pages of any web site may use it, without cookies (CORS).";

/** Who may use a route, in words. */
const clients: Readonly<Record<Needs, string>> = {
  open: "everyone",
  read: 'everyone who can connect to the hub, or with `auth.read` "login" only for those with an account or a token',
  node: "a machine that reports by itself",
  admin: "an administrator",
  owner: "the hub's own user and root, on the control socket",
};

function operation(name: string, route: Route, titled: Titled): object {
  const { params = {}, limit = bodyLimit } = route;
  const notes = [route.strict && strictly, `For ${clients[route.needs]}.`, route.cors && anySite];
  const description = [route.description, ...notes].filter(Boolean).join(" ");
  const bodies = Object.entries(bodiesOf(route)).map(([type, one]) => [type, content(one, titled, "input")] as const);
  const parameters = Object.entries(params).map(([key, one]) => parameter(key, one, route.path));
  return {
    operationId: name,
    tags: [route.tag],
    summary: route.summary,
    description,
    security: security[route.needs].map((scheme) => (scheme === "none" ? {} : { [scheme]: [] })),
    "x-needs": route.needs,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(bodies.length === 0
      ? {}
      : {
          requestBody: {
            // Where a handler reads the body by itself, only the row knows.
            ...(route.body === undefined && route.limit === undefined
              ? {}
              : { description: `At most ${limit} bytes.` }),
            required: true,
            content: Object.fromEntries(bodies),
          },
        }),
    responses: responses(route, titled),
  };
}

function parameter(name: string, one: Parameter, path: string): object {
  const inPath = path.includes(`{${name}}`);
  const typeMode = one.isText ? "input" : "output";
  const { $schema: _, ...schema } = toJsonSchema(one.schema, { target, typeMode, errorMode: "ignore" });
  return {
    name,
    in: inPath ? "path" : "query",
    description: one.help,
    ...(inPath || one.required !== undefined ? { required: true } : {}),
    ...(one.form === "one" ? {} : { style: "form", explode: one.form === "repeated" }),
    schema,
    example: one.isText ? one.example : read(name, one, [one.example]),
  };
}

function content(schema: GenericSchema | "text" | "bytes", titled: Titled, typeMode: "input" | "output"): object {
  if (schema === "bytes") return {};
  if (schema === "text") return { schema: string };
  const [named] = nameOf(schema);
  const [example]: readonly unknown[] = getExamples(schema as Parameters<typeof getExamples>[0]);
  const shown = example === undefined ? {} : { example };
  if (named !== undefined) return { schema: ref(named[0]), ...shown };
  const { $schema: _, $defs: __, ...plain } = toJsonSchema(schema, { ...options(titled), typeMode });
  return { schema: plain, ...shown };
}

/** Faults of a route that its declaration follows from. */
function faultsOf({ refuses, body, needs, faults: shape, strict }: Route): readonly FaultCode[] {
  const invalid: readonly FaultCode[] =
    shape === "logger" ? ["validation_error"] : ["bad_request", "media_type_refused"];
  const ofBody: readonly FaultCode[] = body === undefined ? [] : [...invalid, "body_too_large"];
  const ofNeeds: readonly FaultCode[] = security[needs].length === 0 ? [] : ["sign_in_needed", "access_denied"];
  const ofQuery: readonly FaultCode[] = strict ? ["bad_request"] : [];
  return [...new Set([...refuses, ...ofQuery, ...ofBody, ...ofNeeds])];
}

function responses(route: Route, titled: Titled): Readonly<Record<string, object>> {
  const { answer, others = {}, faults: shape = "gohm" } = route;
  const ok = Object.entries(answer).map(([type, one]) => [type, content(one, titled, "output")] as const);
  const error = (code: FaultCode = "internal"): object =>
    Object.fromEntries(
      Object.entries(contents[shape]).map(([type, name]) => [
        type,
        { schema: ref(name), example: errorBody(new Fault(code, faults[code].text), { shape, accept: type }) },
      ]),
    );
  const refused = [...Map.groupBy(faultsOf(route), statusOf)].map(
    ([status, group]) =>
      [
        status,
        { description: group.map((code) => `\`${code}\`: ${faults[code].text}`).join(" "), content: error(group[0]) },
      ] as const,
  );
  return {
    ...(ok.length > 0 ? { 200: { description: "The answer.", content: Object.fromEntries(ok) } } : {}),
    ...Object.fromEntries(Object.entries(others).map(([status, description]) => [status, { description }])),
    ...Object.fromEntries(refused),
    default: { description: "A fault that any path may answer with (docs/faults.md).", content: error() },
  };
}

function pick<K extends string>(from: Readonly<Record<K, object>>, names: ReadonlySet<K>): Partial<Record<K, object>> {
  return Object.fromEntries([...names].map((name) => [name, from[name]])) as Partial<Record<K, object>>;
}
