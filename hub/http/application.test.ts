import { HTTPException } from "hono/http-exception";
import * as v from "valibot";
import { beforeEach, expect, test } from "vitest";
import { Fault } from "../fault.ts";
import { silent } from "../log.ts";
import { serve } from "../route/handler.ts";
import { text } from "../route/parameter.ts";
import type { Routes } from "../route/route.ts";
import { type Actor, type EntryPoint, offered, type Principal, type RequestHead, socket } from "../who.ts";
import { application } from "./application.ts";

const plain = { method: "GET", needs: "open", tag: "test", summary: "", answer: {}, refuses: [] } as const;
const job = v.object({ name: v.string(), cards: v.pipe(v.number(), v.integer()) });
const strictJob = v.strictObject(job.entries);

/** A view that nobody has: its routes in one place, its handlers in another. */
const routes = {
  read: { ...plain, path: "/read", needs: "read" },
  add: { ...plain, path: "/jobs", method: "POST", needs: "admin", body: job },
  addStrict: { ...plain, path: "/strict", method: "POST", needs: "admin", body: strictJob },
  push: { ...plain, path: "/push", method: "POST", needs: "node", faults: "logger", body: job, limit: 100_000 },
  report: { ...plain, path: "/report", faults: "portal" },
  job: { ...plain, path: "/jobs/{name}", params: { name: text({ help: "", example: "x" }) } },
  page: { ...plain, path: "/pages/{name}", pattern: "/pages/*", params: { name: text({ help: "", example: "x" }) } },
  own: { ...plain, path: "/own", needs: "owner" },
  thrown: { ...plain, path: "/thrown" },
  loggerThrown: { ...plain, path: "/logger/thrown", faults: "logger" },
  mixed: { ...plain, path: "/mixed/one" },
  mixedPortal: { ...plain, path: "/mixed/portal/one", faults: "portal" },
} as const satisfies Routes;

let thrown: Error;
let got: unknown[];
let lines: string[];

beforeEach(() => {
  thrown = new Fault("host_unknown", "There is no such host.");
  got = [];
  lines = [];
});

const served = serve(routes, {
  read: ({ by }) => Response.json(by),
  add: ({ body }) => Response.json(got.push(body)),
  addStrict: ({ body }) => Response.json(got.push(body)),
  push: ({ body }) => Response.json(got.push(body)),
  report: () => {
    throw thrown;
  },
  job: ({ given }) => Response.json(given),
  page: ({ given }) => Response.json(given),
  own: ({ by }) => Response.json(by),
  thrown: () => {
    throw thrown;
  },
  loggerThrown: () => {
    throw thrown;
  },
  mixed: () => Response.json({}),
  mixedPortal: () => Response.json({}),
});

/** The application as a principal finds it. */
function as(principal: Principal, entry: Omit<EntryPoint, "identify"> = port): ReturnType<typeof application> {
  const log = { ...silent, error: (line: string) => void lines.push(line) };
  const identify = ({ address }: RequestHead) => ({ ...principal, origin: address });
  return application([{ routes: served }], { log, entry: { ...entry, identify } });
}

/** The TCP port of a hub that only accounts may read. */
const port = { offers: offered, open: () => false };

const viewer = as({ kind: "viewer", name: "bob" });
const administrator = as({ kind: "administrator", name: "alice" });

/** A JSON body, and whether anybody has read of it. */
function body(content: string): { readonly init: RequestInit; readonly read: () => boolean } {
  let pulled = false;
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        pulled = true;
        controller.enqueue(Buffer.from(content));
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  const headers = { "Content-Type": "application/json" };
  return { init: { method: "POST", headers, body: stream, duplex: "half" } as RequestInit, read: () => pulled };
}

test.each<[Principal["kind"], string, number, string]>([
  ["anonymous", "/jobs", 401, "sign_in_needed"],
  ["viewer", "/jobs", 403, "access_denied"],
  ["owner", "/jobs", 200, ""],
])("the body of what %s sends to %s is read if that is status %d", async (kind, path, status, code) => {
  const { init, read } = body('{"name":"a","cards":1}');
  const answer = await as({ kind, name: "x" } as Principal).request(path, init);
  expect([answer.status, await answer.text(), read()]).toEqual([status, expect.stringContaining(code), status === 200]);
  expect(answer.headers.get("www-authenticate")).toBe(status === 401 ? "Bearer" : null);
});

test("a body is what its route declares, or is refused without being repeated", async () => {
  const send = async (content: string, headers: Record<string, string> = {}) => {
    const { init } = body(content);
    const answer = await administrator.request("/jobs", { ...init, headers: { ...init.headers, ...headers } });
    return [answer.status, await answer.text()];
  };
  expect(await send('{"name":"a","cards":1,"more":true}')).toEqual([200, "1"]);
  expect(got).toEqual([{ name: "a", cards: 1 }]);
  const refusal = (code: string, message: string) => JSON.stringify({ error: { code, message } });
  expect(await send('{"name":"secret"')).toEqual([400, refusal("bad_request", "The body is not valid JSON.")]);
  expect(await send('{"name":"a","cards":"secret"}')).toEqual([
    400,
    refusal("bad_request", 'The body\'s "cards" must be number.'),
  ]);
  expect(await send("[]")).toEqual([400, refusal("bad_request", "The body must be an object.")]);
  const strict = async (content: string) => {
    const answer = await administrator.request("/strict", body(content).init);
    return [answer.status, await answer.text()];
  };
  expect(await strict('{"name":"a","cards":1}')).toEqual([200, "2"]);
  expect(await strict('{"name":"a","cards":1,"card":1}')).toEqual([
    400,
    refusal("bad_request", 'The body must not have a key "card": did you mean "cards"?'),
  ]);
  expect(await strict('{"name":"a","cards":1,"\u202ewhat":1}')).toEqual([
    400,
    refusal("bad_request", 'The body must not have a key "what": it may have name, cards.'),
  ]);
  expect(await send(`"${"x".repeat(70_000)}"`)).toEqual([
    413,
    refusal("body_too_large", "The body must not be larger than 65536 bytes."),
  ]);
  expect((await send("{}", { "Content-Length": "70000" }))[0]).toBe(413);
  expect(await send("{}", { "Content-Type": "text/plain" })).toEqual([
    415,
    refusal("media_type_refused", 'The body must have the type application/json: it has "text/plain".'),
  ]);
  expect(got).toHaveLength(2);
});

test("a body may have as many bytes as its route declares, and the document says how many", async () => {
  const node = as({ kind: "node", name: "a" });
  const send = async (bytes: number): Promise<unknown[]> => {
    const answer = await node.request("/push", body('{"name":"a","cards":1}'.padEnd(bytes)).init);
    return [answer.status, await answer.text()];
  };
  expect(await send(100_000)).toEqual([200, "1"]);
  expect(await send(100_001)).toEqual([
    413,
    expect.stringContaining('"The body must not be larger than 100000 bytes."'),
  ]);
  const { paths } = (await (await node.request("/openapi.json")).json()) as {
    paths: Record<string, { readonly post?: { readonly requestBody?: { readonly description: string } } }>;
  };
  const said = ["/push", "/jobs"].map((path) => paths[path]?.post?.requestBody?.description);
  expect(said).toEqual(["At most 100000 bytes.", "At most 65536 bytes."]);
});

test("a client that goes away while its body is read is no error of the hub, whose log would grow with each", async () => {
  const lost = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new Error("aborted")),
  });
  const init: RequestInit = { method: "POST", body: lost, headers: { "Content-Type": "application/json" } };
  const answer = await administrator.request("/jobs", { ...init, duplex: "half" } as RequestInit);
  expect([answer.status, await answer.json(), lines]).toEqual([
    499,
    { error: { code: "canceled", message: expect.stringContaining("went away") } },
    [],
  ]);
});

test("the owner's routes are not there on the TCP port, whoever asks, and nowhere in its document", async () => {
  for (const method of ["GET", "POST"]) {
    const answer = await as({ kind: "owner" }).request("/own", { method });
    expect([answer.status, await answer.json()]).toMatchObject([404, { error: { code: "page_unknown" } }]);
  }
  const paths = async (app: ReturnType<typeof application>): Promise<string[]> => {
    const { paths } = (await (await app.request("/openapi.json")).json()) as { paths: object };
    return Object.keys(paths);
  };
  const own = as({ kind: "owner" }, socket);
  expect(await (await own.request("/own")).json()).toEqual({ kind: "owner", origin: "" });
  expect(await paths(own)).toContain("/own");
  expect(await paths(viewer)).not.toContain("/own");
});

test.each([
  ["/read", "POST", "GET, HEAD", "This path is only read, by GET or HEAD: the method was POST."],
  ["/jobs", "GET", "POST", "This path takes POST: the method was GET."],
  ["/jobs", "HEAD", "POST", undefined],
  ["/jobs/a", "DELETE", "GET, HEAD", "This path is only read, by GET or HEAD: the method was DELETE."],
])("%s refuses %s, and says that it takes %s", async (path, method, allow, message) => {
  const answer = await viewer.request(path, { method });
  expect([answer.status, answer.headers.get("allow")]).toEqual([405, allow]);
  if (message) expect(await answer.json()).toEqual({ error: { code: "method_refused", message } });
});

test("each group of routes has its own shape of errors, also where the method or the body is refused", async () => {
  const error = async (path: string, init?: RequestInit) => (await viewer.request(path, init)).json();
  expect(await error("/thrown")).toEqual({ error: { code: "host_unknown", message: "There is no such host." } });
  expect(await error("/report")).toEqual({ error: "There is no such host." });
  expect(await error("/push", body("{}").init)).toEqual({
    success: false,
    detail: 'This path requires the right "node", which a "viewer" or a token of scope "read" does not have.',
    error_code: "ACCESS_DENIED",
  });
  expect(await error("/push")).toMatchObject({ success: false, error_code: "METHOD_REFUSED" });
});

test.each([
  ['{"cards":1}', ["body", "name"], 'The body must have the key "name".', "missing"],
  ['{"name":"a","cards":"3"}', ["body", "cards"], 'The body\'s "cards" must be number.', "number"],
  ['{"name":"a","cards":', ["body"], "The body is not valid JSON.", "json_invalid"],
  ["[]", ["body"], "The body must be an object.", "object"],
  [
    '{"name":"a","cards":1,"constructor":1}',
    ["body"],
    'The body must not have a key "constructor".',
    "extra_forbidden",
  ],
])("a logger's body %s is refused as its server does: 422 with the place %j", async (content, loc, msg, type) => {
  const answer = await as({ kind: "node", name: "a" }).request("/push", body(content).init);
  expect([answer.status, await answer.json()]).toEqual([
    422,
    {
      success: false,
      detail: "資料格式驗證失敗",
      error_code: "VALIDATION_ERROR",
      errors: [{ loc, msg, type }],
    },
  ]);
});

test("an error of the hub itself has the logger's name on its routes", async () => {
  thrown = new Error("a secret");
  const answer = await viewer.request("/logger/thrown");
  expect([answer.status, await answer.json()]).toEqual([
    500,
    {
      success: false,
      detail: "The hub failed to answer; its log has the details.",
      error_code: "INTERNAL_SERVER_ERROR",
    },
  ]);
  expect(lines).toEqual([expect.stringContaining("a secret")]);
});

test.each([
  ["/logger/nothing", { success: false, detail: "There is nothing at this path.", error_code: "PAGE_UNKNOWN" }],
  ["/logger", { success: false, detail: "There is nothing at this path.", error_code: "PAGE_UNKNOWN" }],
  ["/logger/thrown/more/", { success: false, detail: "There is nothing at this path.", error_code: "PAGE_UNKNOWN" }],
  ["/loggers", { error: { code: "page_unknown", message: "There is nothing at this path." } }],
  ["/mixed/nothing", { error: { code: "page_unknown", message: "There is nothing at this path." } }],
  ["/mixed/portal/nothing", { error: "There is nothing at this path." }],
  ["/", { error: { code: "page_unknown", message: "There is nothing at this path." } }],
])("at %s is nothing, in the shape of the routes beside it", async (path, wanted) => {
  const answer = await viewer.request(path, { method: "POST" });
  expect([answer.status, await answer.json()]).toEqual([404, wanted]);
});

test.each([
  ["application/problem+json", true],
  ["application/json, application/problem+json", true],
  ["application/json, application/problem+json;q=0.5", false],
  ["application/problem+json;q=0", false],
  ["*/*", false],
])("with Accept: %s an error is a problem of RFC 9457: %s", async (accept, problem) => {
  const answer = await viewer.request("/thrown", { headers: { accept } });
  const told = problem
    ? {
        title: "The hub has no host of that name, nor has its history.",
        status: 404,
        detail: "There is no such host.",
        code: "host_unknown",
      }
    : { error: { code: "host_unknown", message: "There is no such host." } };
  expect([answer.headers.get("content-type"), await answer.json()]).toEqual([
    problem ? "application/problem+json" : "application/json; charset=utf-8",
    told,
  ]);
  // The shape of another program's protocol stays what it is.
  const report = await viewer.request("/report", { headers: { accept } });
  expect(await report.json()).toEqual({ error: "There is no such host." });
});

test.each([
  [413, "", 413, "body_too_large", "The request body exceeds the size limit of this path."],
  [400, "Malformed JSON in request body", 400, "bad_request", "Malformed JSON in request body"],
  [418, "short and stout", 400, "bad_request", "short and stout"],
  [500, "secret", 500, "internal", "The hub failed to answer; its log has the details."],
] as const)("Hono's own exception %d %j is answered as %d %s", async (status, message, answered, code, told) => {
  thrown = new HTTPException(status as 413, { message });
  const answer = await viewer.request("/thrown");
  expect([answer.status, await answer.json()]).toEqual([answered, { error: { code, message: told } }]);
  expect(lines).toHaveLength(code === "internal" ? 1 : 0);
});

test("a parameter of the path reaches the handler decoded, and one of that name in the query does not", async () => {
  expect(await (await viewer.request("/jobs/a%2Fb%20c?name=x")).json()).toEqual({ name: "a/b c" });
  expect(await (await viewer.request("/pages/a?name=x&name=y")).json()).toEqual({});
});

test("two routes of one name are refused at the start", () => {
  const twice = { routes: serve({ read: routes.read }, { read: () => new Response() }) };
  expect(() => application([{ routes: served }, twice], { log: silent, entry: socket })).toThrow(
    'Two routes have the name "read"',
  );
});

test("the entry point gets the head of a request, and the handler knows who sent it and from where", async () => {
  const heads: RequestHead[] = [];
  const entry: EntryPoint = {
    ...port,
    identify: (head) => {
      heads.push(head);
      return { kind: "viewer", name: "bob", origin: head.address };
    },
  };
  const app = application([{ routes: served }], { log: silent, entry });
  const from = (socket: object) => app.request("/read", { headers: { "X-One": "1" } }, { incoming: { socket } });
  expect(await (await from({ remoteAddress: "::ffff:10.0.0.7" })).json()).toEqual({
    kind: "viewer",
    name: "bob",
    origin: "10.0.0.7",
  });
  await from({ remoteAddress: "fd00::1", encrypted: true });
  await app.request("/read", { method: "HEAD" });
  // Of a connection without encryption, nothing says that there was none before a proxy.
  expect(heads.map(({ method, address, secure }) => [method, address, secure])).toEqual([
    ["GET", "10.0.0.7", undefined],
    ["GET", "fd00::1", true],
    ["HEAD", "", undefined],
  ]);
  expect([heads[0]?.header("x-one"), heads[0]?.header("x-two")]).toEqual(["1", undefined]);
});

test("where everyone may read, a book that fails takes that from nobody, and gives nothing else to anybody", async () => {
  let isOpen = true;
  const entry: EntryPoint = {
    offers: offered,
    open: () => isOpen,
    identify: () => {
      throw new Fault("book_unusable", "The disk is full.");
    },
  };
  const app = application([{ routes: served }], { log: silent, entry });
  expect(await (await app.request("/read")).json()).toEqual({ kind: "anonymous", origin: "" });
  expect((await app.request("/jobs", body("{}").init)).status).toBe(503);
  isOpen = false;
  expect((await app.request("/read")).status).toBe(503);
});

test("an answer without end can ask who its client is now, and whether they may still read", async () => {
  let by: Principal = { kind: "viewer", name: "bob" };
  let ask = (): Actor | undefined => undefined;
  const endless = serve(
    { read: routes.read },
    {
      read: ({ current }) => {
        ask = current;
        return Response.json({});
      },
    },
  );
  const entry = { ...port, identify: () => ({ ...by, origin: "" }) };
  await application([{ routes: endless }], { log: silent, entry }).request("/read");
  expect(ask()).toEqual({ kind: "viewer", name: "bob", origin: "" });
  by = { kind: "administrator", name: "ann" };
  expect(ask()).toEqual({ kind: "administrator", name: "ann", origin: "" });
  by = { kind: "anonymous" };
  expect(ask()).toBeUndefined();
});

test("a fault that says when to try again is answered with it", async () => {
  thrown = new Fault("too_many_attempts", "Try again.", { retryAfter: 7 });
  const answer = await viewer.request("/thrown");
  expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, "7"]);
});
