// Whoever tries to come in with what is not theirs: used links, planted cookies, and names that only a proxy may say.
import { type OutgoingHttpHeaders, request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addAdministrator } from "../door.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { runGohm } from "../system/gohm.ts";

const password = "correct horse battery";
/** Where the proxy's connections come from. */
const proxy = "127.0.0.2";

let at: HubFolder;
let hub: RunningHub;

beforeAll(async () => {
  at = hubFolder();
  const settings = { from: proxy, admin_groups: ["gpu-admins"] };
  at.write({ servers: {}, auth: { read: "login", proxy: settings, admins: ["root"] } });
  for (const name of ["alice", "mallory"]) await addAdministrator(at, name, password);
  hub = await startHub(at);
});

afterAll(async () => {
  await hub?.stop();
  at.remove();
});

interface Sent {
  readonly method?: string;
  /** Values of a header are sent in a line each. */
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: object;
  readonly from?: string;
}

interface Answered {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of several routes
  readonly body: any;
  readonly cookies: readonly string[];
}

/** Sends a request as the hub's own page does. */
function ask(path: string, { method = "GET", headers = {}, body, from = "127.0.0.1" }: Sent = {}): Promise<Answered> {
  const own = method === "GET" ? {} : { Origin: hub.url };
  const type = body === undefined ? {} : { "Content-Type": "application/json" };
  return new Promise((resolve, reject) => {
    const options = { method, localAddress: from, headers: { ...own, ...type, ...headers }, agent: false };
    const sent = request(`${hub.url}${path}`, options, async (answer) => {
      const pieces: Buffer[] = [];
      for await (const piece of answer) pieces.push(piece as Buffer);
      const text = Buffer.concat(pieces).toString();
      const cookies = (answer.headers["set-cookie"] ?? []).map((one) => one.replace(/;.*$/, ""));
      resolve({ status: answer.statusCode ?? 0, body: JSON.parse(text), cookies });
    });
    sent.once("error", reject).end(body && JSON.stringify(body));
  });
}

const signIn = (name: string, headers: OutgoingHttpHeaders = {}) =>
  ask("/api/v1/session", { method: "POST", headers, body: { name, password } });
const sessionOf = async (name: string): Promise<string> => (await signIn(name)).cookies[0] ?? "";
const me = async (headers: OutgoingHttpHeaders, from?: string) =>
  (await ask("/api/v1/me", { headers, ...(from !== undefined && { from }) })).body;

/** What `gohm account link` prints. */
function newLink(name: string): string {
  const { stdout } = runGohm(["account", "link", name], { GOHM_DATA: at.data });
  return /#\/link\/([\w-]{43})/.exec(stdout)?.[1] ?? "";
}

test("of twenty who follow one link at the same time one comes in; later, and after a restart of the hub, nobody does", async () => {
  const [token, unused] = [newLink("carol"), newLink("dave")];
  const follow = (i: number, secret = token) =>
    ask("/api/v1/session/link", { method: "POST", body: { token: secret, password: `password of nr ${i}` } });
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => follow(i)));
  const done = answers.filter(({ status }) => status === 200);
  expect(done).toHaveLength(1);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 404]));
  // A newer link replaces one that nobody followed.
  newLink("dave");
  const stale = [follow(30), follow(31, unused), follow(32, token.toLowerCase()), follow(33, `${token}=`)];
  expect((await Promise.all(stale)).map(({ status }) => status)).toEqual([404, 404, 404, 404]);
  await hub.stop();
  expect(hub.output()).not.toContain(token);
  hub = await startHub(at);
  expect((await follow(40)).body.error.code).toBe("link_unknown");
  expect(await me({ cookie: done[0]?.cookies[0] ?? "" })).toMatchObject({ name: "carol", way: "link" });
});

test("a session that somebody planted in a browser is not the one after signing in, and two accounts in one browser are nobody", async () => {
  const planted = await sessionOf("mallory");
  const [begun = ""] = (await signIn("alice", { cookie: planted })).cookies;
  expect(await me({ cookie: begun })).toMatchObject({ name: "alice" });
  expect((await me({ cookie: planted })).kind).toBe("anonymous");
  // Planted after signing in, before and behind the own one, as another service of this host name can do.
  const again = await sessionOf("mallory");
  for (const cookie of [`${begun}; ${again}`, `${again}; ${begun}`])
    expect((await me({ cookie })).kind).toBe("anonymous");
  expect((await me({ cookie: `${begun}; gohm_session_http=${"A".repeat(43)}` })).name).toBe("alice");
});

test("a session is valid as the cookie for its connection alone: not as another cookie, as a token, or by its number", async () => {
  const cookie = await sessionOf("alice");
  const secret = cookie.split("=")[1] ?? "";
  const { sessions } = (await ask("/api/v1/sessions", { headers: { cookie } })).body;
  const { id } = sessions.find(({ current }: { current: boolean }) => current);
  // A proxy on this machine says that the connection is encrypted: then only what no http page can set is believed.
  const encrypted = { "x-forwarded-proto": "https" };
  expect((await me({ cookie, ...encrypted })).kind).toBe("anonymous");
  expect((await me({ cookie: `__Host-gohm=${secret}`, ...encrypted })).name).toBe("alice");
  for (const name of ["__Host-gohm", "__Secure-gohm", "GOHM_SESSION_HTTP", "gohm_session_http2"]) {
    expect((await me({ cookie: `${name}=${secret}` })).kind).toBe("anonymous");
  }
  for (const value of [id, `${id}${"A".repeat(27)}`, secret.slice(0, 42), secret.toLowerCase()]) {
    expect((await me({ cookie: `gohm_session_http=${value}` })).kind).toBe("anonymous");
  }
  expect((await ask("/api/v1/me", { headers: { authorization: `Bearer ${secret}` } })).status).toBe(401);
  expect((await ask(`/api/v1/sessions/${id}`, { method: "DELETE", headers: { cookie } })).status).toBe(200);
  expect((await me({ cookie })).kind).toBe("anonymous");
});

test("only the proxy says who somebody is, once and by one name", async () => {
  expect(await me({ "Remote-User": "bob" }, proxy)).toMatchObject({ kind: "viewer", name: "bob", way: "proxy" });
  expect((await me({ "Remote-User": "root" }, proxy)).kind).toBe("administrator");
  const forged = { "X-Forwarded-For": proxy, "X-Real-IP": proxy, Forwarded: `for=${proxy}` };
  for (const from of ["127.0.0.1", "127.0.0.3"]) {
    expect(await me({ ...forged, "Remote-User": "root", "Remote-Groups": "gpu-admins" }, from)).toMatchObject({
      kind: "anonymous",
      rights: ["open"],
    });
  }
  const twice: readonly OutgoingHttpHeaders[] = [
    { "Remote-User": ["bob", "root"] },
    { "Remote-User": ["bob", "bob"] },
    { "Remote-User": "bob,root" },
    { "Remote-User": "bob", "remote-groups": ["users", "gpu-admins"] },
    { "Remote-User": "bob\u0085root" },
  ];
  for (const headers of twice) {
    const { status, body } = await ask("/api/v1/me", { headers, from: proxy });
    expect([status, body.error.code]).toEqual([403, "access_denied"]);
    expect(body.error.message).toMatch(/^The header Remote-(User|Groups) of the proxy 127\.0\.0\.2 must /);
  }
});
