import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cases } from "../test/cases.ts";
import { Door, day, type HeadOptions, head, shaped, start, withCookie, withToken } from "../test/door.ts";
import { Fault } from "./fault.ts";
import { hashOf, newLink, newSecret } from "./secret.ts";
import { type Actor, may, type Needs, type RequestHead } from "./who.ts";

let door: Door;

beforeEach(() => {
  door = new Door();
});

afterEach(() => door.close());

const needs: readonly Needs[] = ["open", "read", "node", "admin", "owner"];

test.each<[string, () => RequestHead, Actor["kind"], string | undefined, readonly Needs[]]>([
  ["nothing", () => head(), "anonymous", undefined, ["open"]],
  ["a viewer's session", () => withCookie(door.signIn("bob")), "viewer", "bob", ["open", "read"]],
  [
    "an administrator's session",
    () => withCookie(door.signIn("alice", "administrator")),
    ...(["administrator", "alice", ["open", "read", "admin"]] as const),
  ],
  ["a token to read", () => withToken(door.token("read")), "viewer", "token-read", ["open", "read"]],
  [
    "a token to administer",
    () => withToken(door.token("admin")),
    ...(["administrator", "token-admin", ["open", "read", "admin"]] as const),
  ],
  ["a token to push", () => withToken(door.token("push")), "reporter", "token-push", ["open", "node"]],
  ["a machine's token", () => withToken(door.node("gpu1")), "node", "gpu1", ["open", "node"]],
])("a request with %s is that of %s %s, with the rights %j", (_, make, kind, name, rights) => {
  const by = door.identity.identify(make());
  expect(by).toMatchObject({ kind, origin: "10.0.0.7", ...(name === undefined ? {} : { name }) });
  expect(needs.filter((need) => may(by, need))).toEqual(rights);
});

test("a token and an account of one name are two actors, in the audit log, too", () => {
  const by = door.identity.identify(withToken(door.token("admin", { name: "alice" })));
  door.desk.do(by, { name: "token.create", needs: "admin", target: "x", write: () => {} });
  const alice = door.identity.identify(withCookie(door.signIn("alice", "administrator")));
  door.desk.do(alice, { name: "token.create", needs: "admin", target: "x", write: () => {} });
  expect(door.book.audit({ limit: 2 }).map(({ actor }) => actor)).toEqual(["administrator alice", "token alice"]);
});

test.each([
  ["Bearer wrong", /not known/],
  ["Bearer ", /"Bearer " and a token/],
  ["Bearer", /"Bearer " and a token/],
  ["bearer TOKEN", /"Bearer " and a token/],
  ["BEARER TOKEN", /"Bearer " and a token/],
  ["Bearer  TOKEN", /"Bearer " and a token/],
  ["Bearer TOKEN, Bearer TOKEN", /"Bearer " and a token/],
  ["TOKEN", /"Bearer " and a token/],
  ["", /"Bearer " and a token/],
])(
  "the header Authorization %j is no right, and not silently anonymous, with a valid session beside it, too",
  (text, message) => {
    const authorization = text.replaceAll("TOKEN", door.token("admin"));
    const cookie = `gohm_session_http=${door.signIn("alice", "administrator")}`;
    expect(() => door.identity.identify(head({ headers: { authorization, cookie } }))).toThrow(
      expect.objectContaining({ code: "sign_in_needed", message: expect.stringMatching(message) }),
    );
  },
);

test.each(["Basic YWxpY2U6eA==", "Digest username=alice", "Negotiate abc", "ntlm abc"])(
  "what a proxy in front of the hub asked a browser for (%s) is none of the hub's business",
  (authorization) => {
    expect(door.identity.identify(head({ headers: { authorization } }))).toEqual({
      kind: "anonymous",
      origin: "10.0.0.7",
    });
    const cookie = `gohm_session_http=${door.signIn("bob")}`;
    expect(door.identity.identify(head({ headers: { authorization, cookie } }))).toMatchObject({ kind: "viewer" });
  },
);

test("a token ends at its time and when it is revoked, and a machine's when it is reset", () => {
  const secret = door.token("read", { expires: start + day });
  expect(door.identity.identify(withToken(secret))).toMatchObject({ kind: "viewer" });
  door.now = start + day;
  expect(() => door.identity.identify(withToken(secret))).toThrow(/has expired/);
  door.now = start;
  door.book.write((writer) => writer.removeToken(door.book.tokens()[0]?.id ?? 0));
  expect(() => door.identity.identify(withToken(secret))).toThrow(/not known/);
  const machine = door.node("gpu1");
  expect(door.identity.identify(withToken(machine))).toMatchObject({ kind: "node" });
  door.book.write((writer) => writer.changeNode(door.book.node("gpu1")?.id ?? 0, { token: undefined }));
  expect(() => door.identity.identify(withToken(machine))).toThrow(/not known/);
});

test("an enrolment token is no right, and is told where it belongs", () => {
  expect(() => door.identity.identify(withToken(door.token("enroll")))).toThrow(
    expect.objectContaining({ code: "access_denied", message: expect.stringMatching(/body of the registration/) }),
  );
});

test("a session lasts 30 days after its last use and 90 days in all, and its end makes nobody of its cookie", () => {
  const secret = door.signIn("bob");
  const kind = () => door.identity.identify(withCookie(secret)).kind;
  for (let days = 29; days < 90; days += 29) {
    door.now = start + days * day;
    expect(kind()).toBe("viewer");
    door.flush();
  }
  door.now = start + 90 * day - 1;
  expect(kind()).toBe("viewer");
  door.flush();
  door.now = start + 90 * day;
  expect(kind()).toBe("anonymous");
  const idle = door.signIn("bob");
  door.now += 30 * day;
  expect(door.identity.identify(withCookie(idle)).kind).toBe("anonymous");
});

test("a session that began while the clock was ahead by years does not last as long", () => {
  door.now = start + 20 * 365 * day;
  const secret = door.signIn("bob");
  expect(door.identity.identify(withCookie(secret)).kind).toBe("viewer");
  door.now = start;
  expect(door.identity.identify(withCookie(secret)).kind).toBe("anonymous");
  // An hour back, as at the end of a correction, ends nothing.
  const other = door.signIn("bob");
  door.now -= 3_600_000;
  expect(door.identity.identify(withCookie(other)).kind).toBe("viewer");
});

test("uses are written together and at most once a minute, with the machine's address", () => {
  const [secret, machine, session] = [door.token("read"), door.node("gpu1"), door.signIn("bob")];
  const uses = () => [
    door.book.tokens()[0]?.used,
    door.book.node("gpu1")?.used,
    door.book.session(hashOf(session))?.used,
  ];
  let writes = 0;
  const write = door.book.write.bind(door.book);
  door.book.write = (change) => {
    writes++;
    return write(change);
  };
  const useAll = (): void => {
    for (const one of [withToken(secret), withToken(machine), withCookie(session)]) door.identity.identify(one);
  };
  door.now += 61_000;
  useAll();
  door.flush();
  expect(uses()).toEqual([door.now, door.now, door.now]);
  const first = door.now;
  for (let i = 0; i < 1000; i++) {
    door.now += 50;
    useAll();
  }
  expect([writes, door.timers.length, uses()]).toEqual([1, 1, [first, first, first]]);
  door.flush();
  expect([writes, uses()]).toEqual([2, [door.now, door.now, first]]);
  expect(door.book.node("gpu1")).toMatchObject({ usedFrom: "10.0.0.7" });
  expect(door.book.audit({ limit: 10 })).toEqual([]);
});

test("of two sessions in one request that belong to two accounts neither is believed, of two of one account either", () => {
  const [one, other, mallory] = [door.signIn("bob"), door.signIn("bob"), door.signIn("mallory")];
  const both = (a: string, b: string): RequestHead =>
    head({ headers: { cookie: `gohm_session_http=${a}; theme=dark; gohm_session_http=${b}` } });
  expect(door.identity.identify(both(one, other)).kind).toBe("viewer");
  expect(door.identity.identify(both(mallory, one)).kind).toBe("anonymous");
  expect(door.identity.identify(both(newSecret(), one))).toMatchObject({ name: "bob" });
});

test("over https only the cookie counts that a connection without encryption cannot set, and over http only the other", () => {
  const secret = door.signIn("bob");
  const kind = (name: string, more: HeadOptions) =>
    door.identity.identify(head({ ...more, headers: { cookie: `${name}=${secret}`, ...more.headers } })).kind;
  const proxied: HeadOptions = { address: "127.0.0.1", headers: { "x-forwarded-proto": "https" } };
  for (const more of [{ secure: true }, proxied]) {
    expect([kind("__Host-gohm", more), kind("gohm_session_http", more)]).toEqual(["viewer", "anonymous"]);
    expect(door.identity.cookie(head(more), secret)).toBe(
      `__Host-gohm=${secret}; Max-Age=7776000; Path=/; HttpOnly; SameSite=Lax; Secure`,
    );
  }
  // Only a proxy on this machine is believed.
  for (const more of [{}, { headers: { "x-forwarded-proto": "https" } }]) {
    expect([kind("__Host-gohm", more), kind("gohm_session_http", more)]).toEqual(["anonymous", "viewer"]);
    expect(door.identity.cookie(head(more), secret)).toBe(
      `gohm_session_http=${secret}; Max-Age=7776000; Path=/; HttpOnly; SameSite=Lax`,
    );
  }
  expect(door.identity.cookie(head(), undefined)).toBe("gohm_session_http=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax");
  door.settings = { ...door.settings, url: "https://gpus.lab.example/gohm" };
  expect(kind("__Host-gohm", { headers: { host: "gpus.lab.example" } })).toBe("viewer");
  expect(kind("__Host-gohm", { headers: { host: "gpus.lab.example:5000" } })).toBe("anonymous");
});

test("a link is found until its end, and not one that was made while the clock was ahead by years", () => {
  const made = newLink({ name: "admin", role: "administrator" }, door.now);
  const [, secret = ""] = /^#\/link\/([A-Za-z0-9_-]{43})$/.exec(made.path) ?? [];
  door.book.write((writer) => writer.addLink(made.hash, made.link));
  expect(door.identity.link(secret)).toMatchObject({ name: "admin", role: "administrator" });
  expect(door.identity.link(`${secret}x`)).toBeUndefined();
  door.now += day;
  expect(door.identity.link(secret)).toBeUndefined();
  door.now = start - 2 * day;
  expect(door.identity.link(secret)).toBeUndefined();
});

test("a name that only looks like the cookie's is not its name: another host may have set it for the whole domain", () => {
  const secret = door.signIn("bob");
  const kind = (cookie: string): string => door.identity.identify(head({ secure: true, headers: { cookie } })).kind;
  expect(kind(`a=b;  __Host-gohm=${secret}`)).toBe("viewer");
  // Browsers take none of these for a name with the prefix "__Host-", and send them as they are.
  for (const blank of ["\xa0", "\x85", "\ufeff", "\u3000", "_", "\xa0 ", " \xa0"]) {
    for (const cookie of [
      `${blank}__Host-gohm=${secret}`,
      `__Host-gohm${blank}=${secret}`,
      `__Host-gohm=${blank}${secret}`,
    ])
      expect([blank, kind(cookie)]).toEqual([blank, "anonymous"]);
  }
  expect(kind(`__HOST-gohm=${secret}`)).toBe("anonymous");
});

test("no bytes in cookies and tokens make anybody of a request, or anything but a refusal of it", () => {
  door.signIn("alice", "administrator");
  door.token("admin");
  fc.assert(
    fc.property(
      fc.option(shaped),
      fc.option(shaped),
      fc.option(shaped),
      fc.boolean(),
      (cookie, authorization, origin, secure) => {
        const headers = {
          ...(cookie === null ? {} : { cookie }),
          ...(authorization === null ? {} : { authorization }),
          ...(origin === null ? {} : { origin, host: origin }),
        };
        try {
          const by = door.identity.identify(head({ method: "POST", secure, headers }));
          expect(by).toEqual({ kind: "anonymous", origin: "10.0.0.7" });
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
          expect((error as Fault).code).toBe("sign_in_needed");
          expect((error as Fault).message.length).toBeLessThan(300);
        }
      },
    ),
    cases,
  );
});

test("while the book cannot be read, nobody is somebody", () => {
  const [secret, session] = [door.token("admin"), door.signIn("alice", "administrator")];
  door.book.close();
  for (const one of [withToken(secret), withCookie(session)]) {
    expect(() => door.identity.identify(one)).toThrow(expect.objectContaining({ code: "book_unusable" }));
  }
  expect(door.identity.identify(head())).toMatchObject({ kind: "anonymous" });
});
