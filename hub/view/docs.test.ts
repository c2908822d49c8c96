// The documentation pages: their files, and that only they have policies of their own.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ServedViews, serveViews } from "../../test/served.ts";
import { viewOf } from "../../test/view.ts";
import { call } from "../route/route.ts";

const script = `const text = "${"x".repeat(5000)}";`;

let web = "";
let views: ServedViews;

const put = (name: string, content: string): void => writeFileSync(join(web, "docs", `${name}.gz`), gzipSync(content));

beforeEach(async () => {
  web = mkdtempSync(join(tmpdir(), "gohm-docs-"));
  mkdirSync(join(web, "docs"));
  writeFileSync(join(web, "index.html"), "<title>page</title>");
  writeFileSync(join(web, "app-12345678.js"), "0");
  put("swagger.html", "<title>swagger</title>");
  put("redoc.html", "<title>redoc</title>");
  put("start.js", script);
  put("notes.md", "not for the web");
  views = await serveViews(viewOf({ web }));
});

afterEach(async () => {
  await views.close();
  rmSync(web, { recursive: true });
});

interface Got {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

/** What a client that decodes nothing by itself gets. */
function get(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Got> {
  return new Promise((resolve, reject) => {
    const asked = request(`${views.url}${path}`, { method, headers }, (answer) => {
      const pieces: Buffer[] = [];
      answer.on("data", (piece: Buffer) => {
        pieces.push(piece);
        // A stream without end has told what is asked of it.
        if (answer.headers["content-type"]?.startsWith("text/event-stream")) answer.destroy();
      });
      answer.on("error", () => {});
      answer.on("close", () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(pieces) }),
      );
    });
    asked.on("error", reject).end();
  });
}

const usual = "default-src 'none'; frame-ancestors 'none'";
const page =
  "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; require-trusted-types-for 'script'; trusted-types 'none'";
const docs =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const redoc =
  "default-src 'none'; script-src 'self'; style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='; img-src 'self' data:; connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

test("each of the two pages has its own policy; the page keeps its own, and everything else allows nothing", async () => {
  const routes = views.parts.flatMap((part) => Object.entries(part.routes?.routes ?? {}));
  const paths = routes
    .filter(([, route]) => route.method === "GET")
    .map(([, route]) => {
      const examples = Object.entries(route.params ?? {}).map(([name, { example }]) => [name, example]);
      return call(route, Object.fromEntries(examples)).path;
    });
  const asked = [
    ...paths,
    "/docs/start.js",
    "/docs/nothing.js",
    "/docs/",
    "/app-12345678.js",
    "/nothing",
    "/openapi.json",
  ];
  const found = new Map<string, string[]>();
  for (const path of new Set(asked)) {
    const policy = String((await get(path)).headers["content-security-policy"]);
    found.set(policy, [...(found.get(policy) ?? []), path]);
  }
  expect(found.get(docs)).toEqual(["/docs"]);
  expect(found.get(redoc)).toEqual(["/redoc"]);
  expect(found.get(page)?.sort()).toEqual(["/", "/app-12345678.js"]);
  expect([...found.keys()].sort()).toEqual([docs, page, redoc, usual].sort());
  expect(found.get(usual)).toEqual(expect.arrayContaining(["/docs/start.js", "/api/health", "/openapi.json"]));
});

test.each([
  ["gzip, br", "gzip"],
  ["br", undefined],
  ["gzip;q=0, *", undefined],
  ["", undefined],
])("with Accept-Encoding: %s a file comes as %s, and once only", async (accepted, coding) => {
  const { status, headers, body } = await get("/docs/start.js", { "Accept-Encoding": accepted });
  expect([status, headers["content-encoding"], headers["content-type"], headers.vary]).toEqual([
    200,
    coding,
    "text/javascript; charset=utf-8",
    "Accept-Encoding",
  ]);
  expect(String(coding === "gzip" ? gunzipSync(body) : body)).toBe(script);
  const again = await get("/docs/start.js", { "Accept-Encoding": accepted, "If-None-Match": String(headers.etag) });
  expect([again.status, again.body.length]).toEqual([304, 0]);
  const head = await get("/docs/start.js", { "Accept-Encoding": accepted }, "HEAD");
  expect([head.status, head.headers.etag, head.body.length]).toEqual([200, headers.etag, 0]);
});

test("a file that was built anew is served anew, to those who have the old one, too", async () => {
  const before = await get("/docs/start.js");
  put("start.js", "new");
  const after = await get("/docs/start.js", { "If-None-Match": String(before.headers.etag) });
  expect([after.status, String(after.body)]).toEqual([200, "new"]);
});

test.each([
  "/docs/notes.md",
  "/docs/swagger.html.gz",
  "/docs/..%2Findex.html",
  "/docs/.",
  "/docs/a/start.js",
  "/docs/%00.js",
])("%s is nothing", async (path) => {
  expect((await get(path)).status).toBe(404);
});

test.each([
  ["/docs", docs],
  ["/redoc", redoc],
])("without built files %s says how to build them", async (path, policy) => {
  rmSync(join(web, "docs"), { recursive: true });
  const { status, headers, body } = await get(path);
  expect([status, headers["content-security-policy"], headers["retry-after"]]).toEqual([503, policy, "5"]);
  expect(String(body)).toContain("npm run build");
});
