// The document against what a listening hub with data answers.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { application } from "../hub/http/application.ts";
import { openapi } from "../hub/http/openapi.ts";
import { listen, type WebServer } from "../hub/http/server.ts";
import { Ingest } from "../hub/ingest.ts";
import { inputs } from "../hub/input/all.ts";
import type { RunningInput } from "../hub/input/input.ts";
import { Live } from "../hub/live.ts";
import { silent } from "../hub/log.ts";
import { ReportRuns } from "../hub/report/runs.ts";
import { backupRoutes } from "../hub/route/backup.ts";
import { documentRoutes } from "../hub/route/document.ts";
import { loggerQueryRoutes } from "../hub/route/logger-query.ts";
import { restRoutes } from "../hub/route/rest.ts";
import { call, type Route, type Routes, tags } from "../hub/route/route.ts";
import { tasks } from "../hub/task/all.ts";
import type { RunningTask } from "../hub/task/task.ts";
import { views } from "../hub/view/all.ts";
import type { RunningView } from "../hub/view/view.ts";
import { HostInfoSchema } from "../proto/gen/host_pb.js";
import { routes as all } from "../scripts/api.ts";
import { openFront } from "./door.ts";
import { Model, valuesOf } from "./model.ts";
import { refused } from "./refused.ts";
import { writeExample } from "./report/written.ts";
import { defaults } from "./served.ts";
import { inputContext, noReports, viewOf } from "./view.ts";

const now = 1_800_003_600_000;
const minute = 60_000;
const card = "GPU-5f0c8c1e";

let folder = "";
const open: (RunningView | RunningInput | RunningTask)[] = [];
let routes: Routes;
let web: WebServer;
let document: Document;

/** As much of a document as is looked at here. */
interface Document {
  readonly tags: readonly { readonly name: string; readonly description: string; readonly "x-displayName": string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

interface Media {
  readonly schema?: object;
  readonly example?: unknown;
}

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly required?: boolean;
    readonly schema: object;
    readonly example?: unknown;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Readonly<Record<string, Media>> }>
  >;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-openapi-"));
  writeFileSync(join(folder, "index.html"), "<title>page</title>");
  writeFileSync(join(folder, "favicon.svg"), "<svg/>");
  mkdirSync(join(folder, "docs"));
  for (const name of ["swagger.html", "redoc.html", "start.js"])
    writeFileSync(join(folder, "docs", `${name}.gz`), gzipSync(name));
  const live = new Live(() => now);
  live.expect("gpu1", "127.0.0.1:1");
  live.expect("gpu2", "127.0.0.1:2");
  live.received("gpu1", create(HostInfoSchema, { gpus: [{ uuid: card, name: "H100" }], hostname: "n" }));
  const model = new Model();
  for (let i = 1; i <= 90; i++) {
    const values = { gpu_utilization: i, gpu_power: 1000 * i + 0.5, gpu_memory_used: i, gpu_memory_total: 100 };
    const gpu = { level: "gpu" as const, key: card, index: 0, values: valuesOf("gpu", values) };
    const other = { ...gpu, key: "GPU-2", index: 1 };
    const host = { level: "host" as const, key: "", values: valuesOf("host", { load1: i }) };
    model.append({ host: "gpu1", at: now - minute * i, devices: [gpu, other, host] });
    model.append({ host: "gpu2", at: now - minute * i, devices: [{ ...gpu, key: "GPU-3" }] });
  }
  const reports = join(folder, "reports");
  writeExample(reports);
  const clocked = {
    clock: { now: () => now, after: () => () => {} },
    reports: () => ({ ...noReports(), folder: reports }),
  };
  const hub = viewOf({ live, history: model, web: folder, ...clocked });
  const { clock, log } = hub;
  const ingest = new Ingest({ live, history: model, now: clock.now });
  const desk = { do: unused };
  const context = { ...inputContext, ingest, clock, random: () => 0, log };
  for (const view of views) open.push(await view.open(hub, defaults(view)));
  const task = { view: hub, onReading: () => () => {}, desk, notice: () => {}, reportRuns: new ReportRuns() };
  for (const part of tasks) open.push(await part.open(task, defaults(part)));
  for (const input of inputs) open.push(input.open(context, defaults(input)));
  routes = Object.fromEntries(open.flatMap((part) => Object.entries(part.routes?.routes ?? {})));
  const app = application(open, { log: silent, version: "1.2.3", entry: hub.identity });
  web = await listen(app, { address: "127.0.0.1:0", front: openFront, names: () => [], log: silent });
  document = (await (await get("/openapi.json")).json()) as Document;
  answers = new Schemas(closed(document.components));
  bodies = new Schemas(document.components);
});

afterAll(async () => {
  for (const part of open) await part.close();
  await web.close();
  rmSync(folder, { recursive: true });
});

const unused = (): never => {
  throw new Error("no part needs this for its routes");
};

const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${web.port}${path}`, { headers, redirect: "manual" });

/** Objects with further properties than the document names are refused: the document must name all there are. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  return "properties" in copy && !("additionalProperties" in copy) ? { ...copy, additionalProperties: false } : copy;
}

/** Compiled schemas of the document. */
class Schemas {
  readonly #ajv = new Ajv2020({ strict: true, strictTypes: false, allErrors: true });
  readonly #compiled = new Map<string, ValidateFunction>();

  constructor(components: unknown) {
    this.#ajv.addVocabulary(["components"]);
    this.#ajv.addFormat("date-time", (text) => new Date(text).toISOString() === text);
    this.#ajv.addSchema({ $id: "doc", components } as object);
  }

  /** What is wrong with a value of a schema of the document, or "". */
  wrong(schema: object, value: unknown): string {
    // The document's own references are to itself.
    const text = JSON.stringify(schema).replaceAll('"#/', '"doc#/');
    const check = this.#compiled.get(text) ?? this.#ajv.compile(JSON.parse(text));
    this.#compiled.set(text, check);
    return check(value) ? "" : this.#ajv.errorsText(check.errors);
  }
}

/** Of answers: they have what the document names, and no more. */
let answers: Schemas;
/** Of bodies, in which clients may send more. */
let bodies: Schemas;

const operationOf = (name: string): Operation => {
  const found = Object.values(document.paths)
    .flatMap((operations) => Object.values(operations))
    .find(({ operationId }) => operationId === name);
  if (found === undefined) throw new Error(`There is no operation ${name}`);
  return found;
};

/** Holds an answer against the document. @returns the code of an error */
async function check(name: string, answer: Response): Promise<string | undefined> {
  const response = operationOf(name).responses[answer.status];
  expect(response, `${name}: status ${answer.status}`).toBeDefined();
  if (answer.status === 302 || answer.status === 304) return undefined;
  const type = answer.headers.get("content-type")?.split(";")[0] ?? "";
  const content = response?.content ?? {};
  const declared = content[type] ?? content["*/*"];
  expect(declared, `${name}: ${answer.status} ${type}`).toBeDefined();
  if (!type.endsWith("json")) return void (await answer.body?.cancel());
  const value = (await answer.json()) as { code?: string; error?: { code?: string } };
  expect(answers.wrong(declared?.schema ?? {}, value), `${name} ${answer.url}`).toBe("");
  if (answer.status < 400) return undefined;
  const code = value.error?.code ?? value.code ?? "";
  expect(response?.description, `${name}: ${answer.status} is not documented for ${code}`).toContain(`\`${code}\``);
  return code;
}

test("the document is one of OpenAPI 3.1, and every schema in it is one that ajv takes", async () => {
  expect(await new Validator().validate(JSON.parse(JSON.stringify(document)))).toEqual({ valid: true });
  const schemas = Object.entries(document.components.schemas);
  // A schema that ajv does not take throws.
  for (const [name] of schemas) answers.wrong({ $ref: `#/components/schemas/${name}` }, {});
});

/** Everything in the document that has a schema, by where it is: bodies, answers and parameters. */
function shown(): (readonly [string, Media])[] {
  const all = Object.values(document.paths).flatMap((operations) => Object.values(operations));
  return all.flatMap(({ operationId, requestBody, responses, parameters = [] }) => {
    const contents = { body: requestBody?.content ?? {}, answer: responses[200]?.content ?? {} };
    const media = Object.entries(contents).flatMap(([what, content]) =>
      Object.entries(content)
        .filter(([type]) => type.endsWith("json"))
        .map(([, one]) => [`${what} of ${operationId}`, one] as const),
    );
    return [...media, ...parameters.map((one) => [`${one.name} of ${operationId}`, one] as const)];
  });
}

test("every JSON body, every JSON answer and every parameter has an example, which is valid", () => {
  const named = Object.values(document.components.schemas) as { readonly examples?: readonly unknown[] }[];
  const ofSchemas = named.flatMap((schema) => (schema.examples ?? []).map((one) => bodies.wrong(schema, one)));
  expect([...new Set(ofSchemas)]).toEqual([""]);
  const all = shown();
  expect(all.length).toBeGreaterThan(80);
  expect(all.filter(([, { example }]) => example === undefined).map(([name]) => name)).toEqual([]);
  const invalid = all.map(([name, { schema = {}, example }]) => {
    const schemas = name.startsWith("body of ") ? bodies : answers;
    return [name, schemas.wrong(schema, example)];
  });
  expect(invalid.filter(([, why]) => why !== "")).toEqual([]);
});

test("every operation has a sentence of its own and a group, and every group says what it is for", () => {
  const all = Object.values(document.paths).flatMap((operations) => Object.values(operations));
  const sentences = all.map(({ summary }) => summary);
  expect(sentences.filter((one) => one.length < 5 || one.endsWith(".") || one.includes("`"))).toEqual([]);
  expect(new Set(sentences).size).toBe(sentences.length);
  const used = new Set(all.flatMap(({ tags: [one = ""] }) => one));
  expect(document.tags.map(({ name }) => name)).toEqual(Object.keys(tags).filter((name) => used.has(name)));
  expect([...used].filter((name) => !Object.hasOwn(tags, name))).toEqual([]);
  for (const one of document.tags)
    expect([one.description.length > 20, one["x-displayName"] !== ""]).toEqual([true, true]);
});

test("it has every route of every view, task and input, and none of the owner's", () => {
  const named = Object.values(document.paths).flatMap((operations) =>
    Object.values(operations).map(({ operationId }) => operationId),
  );
  expect(named.sort()).toEqual(["openapi", ...Object.keys(routes)].sort());
  // What docs/api.md is made of.
  expect(Object.keys(all).sort()).toEqual([...Object.keys(backupRoutes), ...named].sort());
  expect(Object.keys(document.paths)).not.toContain(backupRoutes.backup.path);
  expect(openapi(backupRoutes, "1")).toHaveProperty(["paths", backupRoutes.backup.path]);
});

test.each(Object.entries(refused))(
  "every refusal of %s is as the document says, in either form",
  async (name, paths) => {
    const codes: (string | undefined)[] = [];
    for (const path of paths) {
      codes.push(await check(name, await get(path)));
      await check(name, await get(path, { Accept: "application/problem+json" }));
    }
    // What is documented also occurs; that places are taken is a test of its own (test/attack/places.test.ts).
    expect([...new Set(codes)].sort()).toEqual(routes[name]?.refuses.filter((code) => code !== "busy").sort());
  },
);

test.each<readonly [string, string]>([
  ["history", "application/json"],
  ["history", "application/x-protobuf"],
  ["getHistory", "application/json"],
  ["getHistory", "text/csv"],
  ["getFleetHistory", "text/csv"],
  ...["listHosts", "listGpus", "findFree", "listUsers", "listReports"].flatMap((name) => [
    [name, "application/json"] as const,
    [name, "text/csv"] as const,
  ]),
  ["getHost", "*/*"],
  ["getReport", "application/json"],
  ["getReportPage", "text/html"],
  ["getReportFile", "*/*"],
  ["page", "text/html"],
  ["page", "application/json"],
  ...["fleetHistory", "pk", "hist", "health", "feed", "feedHost", "hostPage", "pageFile", "openapi"].map(
    (name) => [name, "*/*"] as const,
  ),
  ...["docs", "redoc", "docsFile", "about"].map((name) => [name, "*/*"] as const),
])("%s, asked with the document's examples and Accept: %s, answers as the document says", async (name, accept) => {
  const route: Route = routes[name] ?? documentRoutes.openapi;
  const examples = Object.entries(route.params ?? {}).map(([key, { example }]) => [key, example.split(",")]);
  const { path } = call(route, Object.fromEntries(examples));
  const answer = await get(path, { Accept: accept });
  expect(answer.status).toBe(name === "hostPage" ? 302 : 200);
  const etag = answer.headers.get("etag");
  await check(name, answer);
  if (etag !== null) await check(name, await get(path, { Accept: accept, "If-None-Match": etag }));
});

test.each(Object.entries(loggerQueryRoutes))(
  "%s, sent the document's example, answers as it says",
  async (name, route) => {
    const body = JSON.stringify(operationOf(name).requestBody?.content["application/json"]?.example);
    const answer = await fetch(`http://127.0.0.1:${web.port}${route.path}`, { method: route.method, body });
    expect(answer.status).toBe(200);
    await check(name, answer);
  },
);

/** Of each parameter of the REST routes: a value that changes the answer, and one that is refused where there is one. */
type Tried = readonly [good: string, refused?: string];
const ns = (ms: number): string => `${ms}000000`;
const first: Readonly<Record<keyof typeof restRoutes.pk.params, Tried>> = {
  host: ["gpu2", "nobody"],
  type: ["util", "colour"],
  from: [ns(now - 10 * minute), "1.5"],
  to: [ns(now - 10 * minute), "-1"],
  step: [ns(5 * minute), "5m"],
};
const tried = {
  history: {
    base: { host: "gpu1", metric: "gpu_power" },
    params: {
      host: ["gpu2", ""],
      metric: ["gpu_utilization", ","],
      key: [card, "GPU-9"],
      level: ["gpu", "rack"],
      from: [String(now - 10 * minute), "x"],
      to: [String(now - 10 * minute), "1e3"],
      step: [String(5 * minute), "-1"],
      of: ["last", "median"],
      most: ["3", "0"],
    } satisfies Record<keyof typeof restRoutes.history.params, Tried>,
  },
  fleetHistory: {
    base: { metric: "gpu_power" },
    params: {
      metric: ["gpu_utilization", ""],
      by: ["host", "rack"],
      from: [String(now - 10 * minute), "x"],
      to: [String(now - 10 * minute), "1.5"],
      step: [String(10 * minute), "0"],
    } satisfies Record<keyof typeof restRoutes.fleetHistory.params, Tried>,
  },
  pk: { base: {}, params: first },
  hist: { base: {}, params: first },
} as const;

const each = Object.entries(tried).flatMap(([name, { base, params }]) =>
  Object.entries(params).map(([key, [good, refused]]) => [name, key, good, refused, base] as const),
);

test.each(each)("%s: %s=%s changes the answer, and %j is refused", async (name, key, good, refused, base) => {
  const { path } = restRoutes[name as keyof typeof restRoutes];
  const ask = (more: Record<string, string>) => get(`${path}?${new URLSearchParams({ ...base, ...more })}`);
  const [plain, with_] = [await ask({}), await ask({ [key]: good })];
  expect([plain.status, with_.status]).toEqual([200, 200]);
  // "level" changes nothing but what is refused.
  if (key !== "level") expect(await with_.text()).not.toBe(await plain.text());
  const answer = await ask({ [key]: refused ?? "" });
  expect(answer.status).toBeGreaterThanOrEqual(400);
  const { error } = (await answer.json()) as { error: { message: string } };
  // Names that the hub does not know are quoted, everything else by the parameter.
  expect([`"${key}"`, `"${refused}"`].filter((word) => error.message.includes(word))).not.toEqual([]);
});

test("every parameter of the REST routes is in the document, with the same names, and required where it must be", () => {
  for (const [name, { base, params }] of Object.entries(tried)) {
    const { parameters = [] } = operationOf(name);
    expect(parameters.map((one) => one.name)).toEqual(Object.keys(params));
    expect(parameters.filter((one) => one.required).map((one) => one.name)).toEqual(Object.keys(base));
  }
});
