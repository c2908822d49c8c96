// What a proxy in front of the hub says of its clients, and what others say who are no proxies; below a path and without.
import { type IncomingHttpHeaders, request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type LocalHub, localHub } from "../local.ts";

const password = "correct horse battery";

let hub: LocalHub;

beforeAll(async () => {
  hub = await localHub({
    hub: { url: "https://lab.example/gpu/gohm", proxies: "127.0.0.1", embed: ["https://wiki.lab.example"] },
    push: { register: "open" },
  });
  const made = await send("POST", "/api/v1/admin/accounts", {
    headers: { authorization: hub.authorization },
    body: { name: "alice", role: "administrator" },
  });
  const [, token] = /#\/link\/(\S+)$/.exec(JSON.parse(made.body).link.path) ?? [];
  const followed = await send("POST", "/api/v1/session/link", {
    headers: { "sec-fetch-site": "same-origin" },
    body: { token, password },
  });
  expect(followed.status).toBe(200);
});

afterAll(() => hub.close());

interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
  /** Address of the connection's other end: 127.0.0.1, a proxy, by default. */
  readonly from?: string;
}

interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function send(method: string, path: string, { headers = {}, body, from = "127.0.0.1" }: Sent = {}): Promise<Got> {
  const { hostname, port } = new URL(hub.url);
  const type = body === undefined ? {} : { "content-type": "application/json" };
  return new Promise((resolve, reject) => {
    const options = {
      hostname,
      port,
      localAddress: from,
      agent: false,
      method,
      path,
      headers: { ...type, ...headers },
    };
    const asked = request(options, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
        // A stream without end.
        if (answer.headers["content-type"]?.startsWith("text/event-stream")) asked.destroy();
      });
      answer.on("close", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }));
      answer.on("error", () => {});
    });
    asked.on("error", reject).end(body && JSON.stringify(body));
  });
}

/** As the proxy of hub.url passes a request on. */
const forwarded = {
  host: "lab.example",
  "x-forwarded-for": "10.0.0.9",
  "x-forwarded-proto": "https",
  "x-forwarded-host": "lab.example",
};

const inside = "/gpu/gohm";

test.each(["", inside])("below %j the hub's paths are all there", async (base) => {
  const get = (path: string, headers: Record<string, string> = forwarded) => send("GET", base + path, { headers });
  expect((await get("/api/health")).status).toBe(200);
  expect(JSON.parse((await get("/openapi.json")).body)).toMatchObject({ servers: [{ url: "./" }] });
  expect((await get("/feed")).headers["content-type"]).toMatch(/event-stream/);
  expect((await get("/host/a%2Fb/c?x")).headers.location).toBe("../../#/host/a%2Fb/c");
  expect(JSON.parse((await get("/", { ...forwarded, accept: "application/json" })).body)).toMatchObject({
    docs_url: `${inside}/docs`,
  });
  expect((await get("/nothing")).status).toBe(404);
  expect((await get(`${inside}/gpu/gohm/api/health`)).status).toBe(404);
});

test("the base path without its slash leads to the page, and takes nothing", async () => {
  for (const method of ["GET", "HEAD"]) {
    const { status, headers, body } = await send(method, inside, { headers: forwarded });
    expect([status, headers.location, body]).toEqual([308, "gohm/", ""]);
  }
  expect((await send("GET", `${inside}?a=//evil.example/`, { headers: forwarded })).headers.location).toBe("gohm/");
  expect((await send("GET", inside, { headers: { host: "evil.example" } })).status).toBe(421);
  expect((await send("POST", inside, { headers: forwarded, body: {} })).status).toBe(405);
});

test("machines push below the path and without, and each is at its own address, not the proxy's", async () => {
  for (const [name, base, at] of [
    ["pushed1", inside, "10.0.0.21"],
    ["pushed2", "", "10.0.0.22"],
  ] as const) {
    const headers = { ...forwarded, "x-forwarded-for": `10.66.66.66, ${at}` };
    const body = { hostname: name, capabilities: { gpus: [], disks: [], nics: [] } };
    const answer = await send("POST", `${base}/api/monitoring/register`, { headers, body });
    expect([name, answer.status, answer.body]).toEqual([name, 200, expect.stringContaining("registered")]);
    expect(hub.node(name).origin).toBe(at);
  }
});

test("what is refused to a machine below the path is counted by its own address", async () => {
  const headers = { ...forwarded, host: "evil.example", "x-forwarded-for": "10.0.0.23" };
  expect((await send("POST", `${inside}/api/monitoring/report`, { headers, body: {} })).status).toBe(421);
  expect(hub.view.refusals.list().find(({ address }) => address === "10.0.0.23")).toMatchObject({
    counts: [{ reason: "name" }],
  });
});

test.each([
  [{ host: "127.0.0.1:5000", "x-forwarded-host": "evil.example" }, 421],
  [{ host: "evil.example", "x-forwarded-host": "lab.example" }, 421],
  [{ host: "127.0.0.1:5000", "x-forwarded-host": "lab.example, evil.example" }, 421],
  [{ host: "127.0.0.1:5000", "x-forwarded-host": "a b" }, 400],
  [{ host: "127.0.0.1:5000", "x-forwarded-host": "lab.example" }, 200],
])(
  "a proxy that was reached under a name of another site is refused as the hub would be: %j",
  async (headers, status) => {
    for (const path of ["/", "/feed", "/api/v1/hosts", `${inside}/api/health`]) {
      const answer = await send("GET", path, { headers });
      // The page of this hub was not built.
      expect([path, answer.status]).toEqual([path, path === "/" && status === 200 ? 503 : status]);
    }
  },
);

const signIn = (headers: Readonly<Record<string, string>>, from?: string) =>
  send("POST", "/api/v1/session", { headers, body: { name: "alice", password }, ...(from && { from }) });

/** Name and attributes of the cookie that an answer sets. */
const cookieOf = ({ headers }: Got): string => headers["set-cookie"]?.join("\n").replace(/=[\w-]{43};/, "=S;") ?? "";

const origin = "https://lab.example";
const rest = "Max-Age=7776000; Path";

test.each<[string, Record<string, string>, string]>([
  ["the proxy of hub.url", forwarded, `__Secure-gohm=S; ${rest}=${inside}; HttpOnly; SameSite=Lax; Secure`],
  [
    "it, asking under a name of its own",
    { "x-forwarded-proto": "https" },
    `__Secure-gohm=S; ${rest}=${inside}; HttpOnly; SameSite=Lax; Secure`,
  ],
  ["it, saying nothing", { host: "lab.example" }, `__Secure-gohm=S; ${rest}=${inside}; HttpOnly; SameSite=Lax; Secure`],
])("by %s, the session's cookie is for that path alone", async (_, headers, cookie) => {
  const answer = await signIn({ origin, ...headers });
  expect([answer.status, cookieOf(answer)]).toEqual([200, cookie]);
});

test("beside the proxy of hub.url, the cookie is for the whole host", async () => {
  const direct = { host: "127.0.0.1:5000", origin: "http://127.0.0.1:5000" };
  expect(cookieOf(await signIn(direct))).toBe(`gohm_session_http=S; ${rest}=/; HttpOnly; SameSite=Lax`);
  const other = { host: "10.0.0.5", origin: "https://10.0.0.5", "x-forwarded-proto": "https" };
  expect(cookieOf(await signIn(other))).toBe(`__Host-gohm=S; ${rest}=/; HttpOnly; SameSite=Lax; Secure`);
  // Nobody but a proxy says that a request was encrypted, or that the hub is below a path.
  for (const host of ["127.0.0.1:5000", "10.0.0.5"]) {
    const own = cookieOf(await signIn({ ...forwarded, host, origin }, "127.0.0.2"));
    expect(own).toBe(`gohm_session_http=S; ${rest}=/; HttpOnly; SameSite=Lax`);
  }
});

test("each cookie counts where it was set, and a new sign-in ends the sessions of all", async () => {
  const secret = (answer: Got): string => /=([\w-]{43});/.exec(cookiesOf(answer))?.[1] ?? "";
  const [below, whole] = [
    secret(await signIn({ ...forwarded, origin })),
    secret(await signIn({ host: "10.0.0.5", origin: "https://10.0.0.5", "x-forwarded-proto": "https" })),
  ];
  const me = async (cookie: string, headers: Record<string, string> = forwarded) =>
    JSON.parse((await send("GET", "/api/v1/me", { headers: { ...headers, cookie } })).body).name;
  expect(await me(`__Secure-gohm=${below}`)).toBe("alice");
  expect(await me(`__Host-gohm=${whole}`)).toBe("alice");
  expect(await me(`gohm_session_http=${below}`)).toBe(null);
  expect(await me(`__Secure-gohm=${below}`, { ...forwarded, "x-forwarded-proto": "http" })).toBe(null);
  const both = { cookie: `__Secure-gohm=${below}; __Host-gohm=${whole}` };
  const third = secret(await signIn({ ...forwarded, origin, ...both }));
  expect([await me(`__Secure-gohm=${below}`), await me(`__Host-gohm=${whole}`)]).toEqual([null, null]);
  expect(await me(`__Secure-gohm=${third}; __Host-gohm=${whole}`)).toBe("alice");
  const out = await send("DELETE", "/api/v1/session", {
    headers: { ...forwarded, origin, cookie: `__Secure-gohm=${third}` },
  });
  expect(cookiesOf(out)).toMatch(/^__Secure-gohm=; Max-Age=0; Path=\/gpu\/gohm;/);
  expect(await me(`__Secure-gohm=${third}`)).toBe(null);
});

const cookiesOf = ({ headers }: Got): string => headers["set-cookie"]?.join("\n") ?? "";

test.each([
  [{ ...forwarded, origin: "https://evil.example" }, 403],
  [{ ...forwarded, origin: "http://lab.example" }, 403],
  [{ ...forwarded, origin: "https://lab.example:8443" }, 403],
  [{ ...forwarded, origin: "null" }, 403],
  [{ ...forwarded, "x-forwarded-host": "lab.example:8443", origin: "https://lab.example:8443" }, 200],
])("a page at %j may sign in: %d", async (headers, status) => {
  expect((await signIn(headers)).status).toBe(status);
});

test("the page may be shown by the sites of hub.embed, and by no others; every other document by none", async () => {
  const policy = async (path: string, headers: Record<string, string> = forwarded) => {
    const { headers: got } = await send("GET", path, { headers });
    return [got["content-security-policy"], got["cross-origin-opener-policy"], got["permissions-policy"]].map(String);
  };
  const [page, opener, features] = await policy(`${inside}/`);
  expect(page).toContain("frame-ancestors 'self' https://wiki.lab.example;");
  expect(page).toContain("require-trusted-types-for 'script'; trusted-types 'none'");
  expect(opener).toBe("same-origin");
  expect(features).toMatch(/camera=\(\), .*usb=\(\)/);
  // Browsers complain of it where the page is not encrypted.
  expect((await policy("/", { host: "127.0.0.1" }))[1]).toBe("undefined");
  for (const path of ["/docs", "/redoc"]) {
    const [other = "", ...more] = await policy(path);
    expect(other).toContain("frame-ancestors 'none'");
    expect(other).not.toMatch(/unsafe/);
    expect(more).toEqual([opener, features]);
  }
});
