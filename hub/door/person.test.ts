import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { load } from "../../program/setting.ts";
import { cases } from "../../test/cases.ts";
import { defaultDoor, head } from "../../test/door.ts";
import { type Sent, SignInScene } from "../../test/sign-in.ts";
import { application } from "../http/application.ts";
import { silent } from "../log.ts";
import { serve } from "../route/handler.ts";
import { socket } from "../who.ts";
import { ProxySignIn } from "./person.ts";
import { type DoorSettings, table } from "./settings.ts";

const door: DoorSettings = {
  ...defaultDoor,
  proxyFrom: "10.0.0.5, fd00::/8",
  proxyAdminGroups: ["gpu-admins", "管理员"],
  admins: ["root@lab.example"],
};

interface Proxied {
  readonly peer?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly times?: Readonly<Record<string, number>>;
}

const latin = (text: string): string => Buffer.from(text).toString("latin1");

function personOf({ peer = "10.0.0.5", headers, times = {} }: Proxied, settings = door) {
  const request = head({ address: peer, times: (name: string) => times[name] ?? 1, ...(headers && { headers }) });
  return new ProxySignIn(() => settings).personOf(request);
}

const viewer = (name: string) => ({ name, isAdministrator: false });
const administrator = (name: string) => ({ name, isAdministrator: true });

test.each<[string, string | undefined, ReturnType<typeof viewer>]>([
  ["alice", undefined, viewer("alice")],
  ["  alice ", "users", viewer("alice")],
  ["alice", "users,gpu-admins", administrator("alice")],
  ["alice", " users , gpu-admins ", administrator("alice")],
  ["alice", "users,管理员", administrator("alice")],
  ["alice", "gpu-admins2,GPU-ADMINS,users;gpu-admins", viewer("alice")],
  ["alice", "", viewer("alice")],
  ["root@lab.example", undefined, administrator("root@lab.example")],
  ["ROOT@lab.example", undefined, viewer("ROOT@lab.example")],
  ["root@lab.example\u00a0", undefined, viewer("root@lab.example\u00a0")],
  ["alice", "users, gpu-admins\u00a0,\u3000gpu-admins", viewer("alice")],
  ["王小明", undefined, viewer("王小明")],
  ["LAB\\alice", undefined, viewer("LAB\\alice")],
])("a proxy says that %j of the groups %j is there: it is %j", (user, groups, person) => {
  const headers = { "remote-user": latin(user), ...(groups !== undefined && { "remote-groups": latin(groups) }) };
  expect(personOf({ headers })).toEqual(person);
  expect(personOf({ headers, peer: "fd00::7" })).toEqual(person);
});

test.each([undefined, "", "  ", "(null)"])("a proxy that names %j has signed nobody in", (user) => {
  expect(personOf({ headers: user === undefined ? {} : { "remote-user": user } })).toBeUndefined();
});

test.each<[string, Proxied]>([
  ["two names", { headers: { "remote-user": "alice, bob" } }],
  ["the name twice", { headers: { "remote-user": "alice" }, times: { "remote-user": 2 } }],
  ["groups twice", { headers: { "remote-user": "a", "remote-groups": "x, y" }, times: { "remote-groups": 2 } }],
  ["a name with a character that turns text", { headers: { "remote-user": latin("alice\u202e") } }],
  ["a name with an invisible character", { headers: { "remote-user": latin("al\u200bice") } }],
  ["a name with a tab in it", { headers: { "remote-user": "al\tice" } }],
  [
    "a group with a control character",
    { headers: { "remote-user": "a", "remote-groups": latin("x,\u0085gpu-admins") } },
  ],
  ["a name that is not UTF-8", { headers: { "remote-user": "al\xffice" } }],
  ["a very long name", { headers: { "remote-user": "a".repeat(129) } }],
])("a proxy that sends %s is refused in words", (_, proxied) => {
  expect(() => personOf(proxied)).toThrow(
    expect.objectContaining({
      code: "access_denied",
      message: expect.stringMatching(
        /^The header Remote-(User|Groups) of the proxy 10\.0\.0\.5 must .*\(auth\.proxy\)\.$/,
      ),
    }),
  );
});

test("a name with other characters than an administrator's is not that administrator, though Unicode calls them equal", () => {
  const settings = { ...door, admins: ["Kate"] };
  expect(personOf({ headers: { "remote-user": "Kate" } }, settings)).toEqual(administrator("Kate"));
  expect(personOf({ headers: { "remote-user": latin("\u212aate") } }, settings)).toEqual(viewer("Kate"));
});

test("other headers and separators are those of the settings", () => {
  const settings = {
    ...door,
    proxyUser: "X-authentik-username",
    proxyGroups: "X-authentik-groups",
    proxySeparator: "|",
  };
  const headers = { "x-authentik-username": "alice", "x-authentik-groups": "a, b|gpu-admins", "remote-user": "bob" };
  expect(personOf({ headers }, settings)).toEqual(administrator("alice"));
});

test("whatever anybody else sends, it names nobody; and whatever a proxy sends, it names one person or is refused", () => {
  const text = fc.oneof(fc.string({ unit: "binary", maxLength: 40 }), fc.constantFrom("alice", "gpu-admins", "a, b"));
  const address = fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom("", "127.0.0.1", "::1", "10.0.0.4", "10.0.0.50"));
  fc.assert(
    fc.property(text, text, address, (user, groups, peer) => {
      const headers = { "remote-user": user, "remote-groups": groups, "x-forwarded-for": "10.0.0.5" };
      if (peer !== "10.0.0.5" && !/^fd/i.test(peer)) expect(personOf({ peer, headers })).toBeUndefined();
      try {
        const { name = "x" } = personOf({ headers }) ?? {};
        expect(name).toMatch(/^[^,\p{C}]{1,128}$/u);
      } catch (error) {
        expect(error).toMatchObject({ code: "access_denied" });
        expect((error as Error).message).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      }
    }),
    cases,
  );
});

test.each([
  ["auth.proxy.from", "0.0.0.0/0"],
  ["auth.proxy.from", "10.0.0.1, ::/0"],
  ["auth.proxy.from", "proxy.lab"],
  ["auth.proxy.user", "Cookie"],
  ["auth.proxy.user", "X-Forwarded-For"],
  ["auth.proxy.groups", "sec-fetch-site"],
  ["auth.proxy.groups", "Remote Groups"],
])("the setting %s cannot be %j", (name, value) => {
  const [first = "", second = "", third = ""] = name.split(".");
  expect(() => load(table, { flags: {}, env: {}, file: { [first]: { [second]: { [third]: value } } } })).toThrow(name);
});

// The whole hub.

let scene: SignInScene;

beforeEach(async () => {
  scene = new SignInScene();
  scene.door = door;
  await scene.open();
});

afterEach(() => scene.close());

const proxied = (user: string, { headers, ...more }: Sent = {}): Sent => ({
  address: "10.0.0.5",
  headers: { "remote-user": user, ...headers },
  ...more,
});
const me = async (sent: Sent) => (await scene.ask("/api/v1/me", sent)).body;

test("whom a proxy has signed in is known by each request, with the right that the request brings, and has no session", async () => {
  scene.read = "login";
  const answer = await scene.ask("/api/v1/me", proxied("alice"));
  expect(answer.body).toMatchObject({ kind: "viewer", name: "alice", session: false, way: "proxy", users: ["alice"] });
  expect(answer.headers.getSetCookie()).toEqual([]);
  expect((await me(proxied("alice", { headers: { "remote-groups": "gpu-admins" } }))).kind).toBe("administrator");
  expect((await me(proxied("alice"))).kind).toBe("viewer");
  expect((await scene.ask("/hist", proxied("alice"))).status).toBe(200);
  expect((await scene.ask("/api/v1/sessions", proxied("alice"))).status).toBe(401);
  expect((await me(proxied(""))).kind).toBe("anonymous");
  expect((await scene.ask("/api/v1/me", proxied("alice, root"))).body.error.message).toMatch(/"alice, root"/);
});

test("the header of anybody else is worth nothing, whatever else they send, and no handler sees it", async () => {
  scene.read = "login";
  const headers = { "remote-groups": "gpu-admins", "x-forwarded-for": "10.0.0.5", "x-real-ip": "10.0.0.5" };
  for (const address of ["10.0.0.6", "127.0.0.1", "::1"]) {
    const sent = proxied("root@lab.example", { headers, address });
    expect(await me(sent)).toMatchObject({ kind: "anonymous", rights: ["open"] });
    expect((await scene.ask("/hist", sent)).status).toBe(401);
  }
  scene.account("bob", "viewer");
  const cookie = await scene.signedIn("bob");
  expect(await me({ headers: { ...headers, "remote-user": "root@lab.example" }, cookie })).toMatchObject({
    name: "bob",
  });
});

test.each([
  ["10.0.0.6", [null, null, "text/html"]],
  ["10.0.0.5", ["alice", "gpu-admins", "text/html"]],
])("of a request of %s a handler sees the headers %j", async (remoteAddress, seen) => {
  const names = ["remote-user", "remote-groups", "accept"];
  const row = {
    method: "GET",
    path: "/seen",
    needs: "open",
    tag: "test",
    summary: "",
    answer: {},
    refuses: [],
  } as const;
  const routes = serve({ row }, { row: ({ c }) => c.json(names.map((name) => c.req.header(name) ?? null)) });
  const proxies = new ProxySignIn(() => door);
  const entry = { ...socket, foreign: (peer: string) => proxies.foreign(peer) };
  const headers = { "Remote-User": "alice", "Remote-Groups": "gpu-admins", Accept: "text/html" };
  const app = application([{ routes }], { log: silent, entry });
  const answer = await app.request("/seen", { headers }, { incoming: { socket: { remoteAddress } } });
  expect(await answer.json()).toEqual(seen);
});

test("who is signed in by the proxy is nobody else, whatever cookie the browser has; a token comes first", async () => {
  scene.account("root");
  const cookie = await scene.signedIn("root");
  expect(await me(proxied("alice", { cookie }))).toMatchObject({ kind: "viewer", name: "alice", way: "proxy" });
  expect((await scene.ask("/api/v1/sessions", proxied("alice", { cookie }))).status).toBe(401);
  const headers = { authorization: "Bearer wrong" };
  expect((await scene.ask("/api/v1/me", proxied("alice", { headers }))).status).toBe(401);
});

test("what the proxy's person changes comes from the hub's own page only, and the audit log names them", async () => {
  const admin = { "remote-groups": "gpu-admins" };
  const change = { method: "POST", body: { name: "bob", role: "viewer" } };
  const add = (headers: Record<string, string>) =>
    scene.ask("/api/v1/admin/accounts", proxied("root@lab.example", { ...change, headers: { ...admin, ...headers } }));
  for (const origin of ["https://evil.example", "null"]) expect((await add({ origin })).status).toBe(403);
  expect((await add({ "sec-fetch-site": "cross-site" })).status).toBe(403);
  expect((await add({})).status).toBe(200);
  expect(scene.entries()).toEqual(["administrator root@lab.example: account.create bob done"]);
  expect(scene.book.audit({ limit: 1 })[0]).toMatchObject({ origin: "10.0.0.5" });
  const viewer = await scene.ask("/api/v1/admin/accounts", proxied("eve", change));
  expect(viewer.body.error.code).toBe("access_denied");
});
