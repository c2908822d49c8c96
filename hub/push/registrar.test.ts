import { afterEach, expect, test } from "vitest";
import { Receiver } from "../../test/receiver.ts";
import { hashOf, newSecret } from "../secret.ts";

const second = 1000;
const hour = 3_600_000;
const day = 24 * hour;
let hub: Receiver;

afterEach(() => hub.close());

const start = (settings: Readonly<Record<string, unknown>> = {}): Receiver => {
  hub = new Receiver(settings);
  return hub;
};

test.each([
  // push.register, push.secret, what is sent, status, state
  ["open", "", undefined, 200, "approved"],
  ["open", "", "any", 200, "approved"],
  ["open", "s", undefined, 403, undefined],
  ["open", "s", "s", 200, "approved"],
  ["approval", "", undefined, 200, "waiting"],
  ["approval", "", "any", 200, "waiting"],
  ["approval", "s", undefined, 403, undefined],
  ["approval", "s", "t", 403, undefined],
  ["approval", "s", "s", 200, "waiting"],
  ["approval", "s", "enrolment", 200, "approved"],
  ["approval", "", "enrolment", 200, "approved"],
  ["approval", "", "expired", 200, "waiting"],
  ["secret", "", undefined, 403, undefined],
  ["secret", "", "any", 403, undefined],
  ["secret", "", "enrolment", 200, "approved"],
  ["secret", "", "expired", 403, undefined],
  ["secret", "s", undefined, 403, undefined],
  ["secret", "s", "t", 403, undefined],
  ["secret", "s", 5, 403, undefined],
  ["secret", "s", "s", 200, "approved"],
  ["secret", "s", "enrolment", 200, "approved"],
])("push.register %s, push.secret %j, secret %j: %d, %s", async (register, secret, sent, status, state) => {
  start({ register, secret });
  const tokens: Record<string, string> = {
    enrolment: hub.enrolment("lab"),
    expired: hub.enrolment("old", hub.now - 1),
  };
  const given = typeof sent === "string" ? (tokens[sent] ?? sent) : sent;
  const answer = await hub.register("gpu7", given === undefined ? {} : { secret: given });
  expect(answer.status).toBe(status);
  if (status === 403) expect(answer.body).toEqual({ error: "Invalid registration secret" });
  expect(hub.book.node("gpu7")?.state).toBe(state);
  // The last use of an enrolment token is recorded.
  const used = Object.fromEntries(hub.book.tokens().map((token) => [token.name, token.used]));
  expect(used).toEqual({ lab: sent === "enrolment" ? hub.now : undefined, old: undefined });
  const log = JSON.stringify([hub.book.audit({ limit: 100 }), hub.log.lines]);
  for (const one of [...Object.values(tokens), String(answer.body.token)]) expect(log).not.toContain(one);
});

test("a token of another scope is no enrolment token", async () => {
  start({ register: "secret" });
  for (const scope of ["read", "push", "admin"] as const) {
    const secret = hub.token(scope, scope);
    expect((await hub.register("gpu7", { secret })).status).toBe(403);
  }
});

test("after twenty wrong secrets of one address further ones are not looked at, and other addresses are", async () => {
  start({ register: "secret", secret: "right" });
  for (let i = 0; i < 20; i++) expect((await hub.register("gpu7", { secret: `${i}` })).status).toBe(403);
  await hub.pass(20 * second);
  const refused = await hub.register("gpu7", { secret: "right" });
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "40"]);
  expect((await hub.register("gpu8", { secret: "right" }, { from: "10.0.0.6" })).status).toBe(200);
  await hub.pass(61 * second);
  expect((await hub.register("gpu7", { secret: "right" })).status).toBe(200);
  expect(hub.book.audit({ limit: 100, action: "node.register" }).map(({ result }) => result)).toContain("refused");
});

test("a token that is reset is refused at once; its host name registers once, and keeps its approval and its history", async () => {
  start();
  const token = await hub.enrolled("gpu7");
  hub.approve("gpu7");
  expect((await hub.register("gpu7", {}, { from: "10.0.0.6" })).status).toBe(409);
  expect(hub.troubles.of("gpu7")).toEqual([expect.stringContaining("A machine at 10.0.0.6 asked to register")]);
  hub.reset("gpu7");
  expect((await hub.report(token)).status).toBe(401);
  await hub.pass(31 * second);
  expect(hub.linkOf("gpu7")).toMatchObject({ state: "waiting", reason: "its token was reset: it must register again" });
  const again = await hub.register("gpu7", { capabilities: { cpuCores: 8 } });
  expect(again).toMatchObject({ status: 200, body: { nodeId: 1, message: "gpu7 is registered" } });
  expect(hub.node("gpu7")).toMatchObject({ state: "approved", reset: false, capabilities: { cpuCores: 8 } });
  // It has a token again.
  expect(hub.troubles.of("gpu7")).toEqual([]);
  expect((await hub.register("gpu7")).status).toBe(409);
  expect((await hub.report(String(again.body.token))).status).toBe(200);
  expect((await hub.report(token)).status).toBe(401);
});

test("after a reset a machine stays approved, from any address; administrators see for a day that it is another one", async () => {
  start();
  await hub.enrolled("gpu7", {}, { from: "2001:db8:0:1::7" });
  hub.approve("gpu7");
  const again = async (from: string) => {
    hub.reset("gpu7");
    await hub.enrolled("gpu7", {}, { from });
    return [hub.node("gpu7").state, hub.troubles.of("gpu7"), hub.book.audit({ limit: 1 })[0]?.details];
  };
  const kept = { state: "approved", after: "reset" };
  expect(await again("2001:db8:0:1::9")).toEqual(["approved", [], kept]);
  const shown = [expect.stringMatching(/registered from 10\.0\.0\.66; before, it was at 2001:db8:0:1::9\./)];
  expect(await again("10.0.0.66")).toEqual(["approved", shown, { ...kept, addressBefore: "2001:db8:0:1::9" }]);
  // Whoever took the name must not make that disappear.
  expect(await again("10.0.0.66")).toEqual(["approved", shown, kept]);
  await hub.pass(day);
  expect(hub.troubles.of("gpu7")).toEqual([]);
});

test("a machine that waits and is reset still waits", async () => {
  start();
  await hub.enrolled("gpu7");
  hub.reset("gpu7");
  await hub.enrolled("gpu7");
  expect(hub.node("gpu7").state).toBe("waiting");
});

test.each([
  ["gpu7", "gpu7", "its own"],
  ["front", "gpu7", "the one that is shown"],
  ["gpu1.lan", "gpu1", "the one of the machine that is this host"],
  ["gpu1", "gpu1", "its own, which its machine does not have"],
])("who asks to register as %s is shown to administrators of the host %s: it is %s", async (name, host) => {
  start();
  for (const one of ["gpu7", "gpu1.lan"]) await hub.enrolled(one);
  hub.book.write((book) => {
    book.changeHost("gpu7", { shown: "front" });
    book.changeNode(hub.node("gpu1.lan").id, { host: "gpu1" });
  });
  expect((await hub.register(name, {}, { from: "10.6.6.6" })).status).toBe(409);
  expect(hub.troubles.of(host)).toEqual([
    `A machine at 10.6.6.6 asked to register as "${name}", which is a name of this host. If it is this machine and has lost its token, reset the token; if not, give it another host name.`,
  ]);
});

test("16 machines of one address wait, 256 in all; those with an enrolment token do not wait", async () => {
  start();
  const secret = hub.enrolment("lab");
  const statuses = async (from: (i: number) => string, count: number, prefix: string) => {
    const all: number[] = [];
    for (let i = 0; i < count; i++) all.push((await hub.register(`${prefix}${i}`, {}, { from: from(i) })).status);
    return all;
  };
  const full = [...Array.from({ length: 16 }, () => 200), 429];
  expect(await statuses(() => "10.0.0.66", 17, "a")).toEqual(full);
  expect(await statuses((i) => `2001:db8:0:1::${i}`, 17, "b")).toEqual(full);
  expect(hub.notices.size).toBe(0);
  await statuses((i) => `10.0.1.${i >> 4}`, 224, "c");
  expect((await hub.register("d", {}, { from: "10.0.2.1" })).status).toBe(429);
  expect([...hub.notices.values()]).toEqual([expect.stringContaining("256 machines wait for approval")]);
  expect((await hub.register("e", { secret }, { from: "10.0.0.66" })).status).toBe(200);
  hub.approve("c0");
  expect((await hub.register("f", {}, { from: "10.0.2.1" })).status).toBe(200);
  expect(hub.book.nodes().filter(({ state }) => state === "waiting")).toHaveLength(256);
});

test("who waits for seven days is removed, and the audit log says so", async () => {
  start();
  const token = await hub.enrolled("gpu7");
  await hub.enrolled("gpu8");
  hub.approve("gpu8");
  await hub.pass(7 * day - 2 * hour);
  expect((await hub.config(token)).status).toBe(200);
  await hub.pass(4 * hour);
  expect((await hub.config(token)).status).toBe(401);
  expect(hub.book.nodes().map(({ hostname }) => hostname)).toEqual(["gpu8"]);
  expect(hub.book.audit({ limit: 1, action: "node.expire" })).toMatchObject([
    { actor: "owner", target: "gpu7", result: "done" },
  ]);
});

test("a host name that is shown for another machine is taken", async () => {
  start();
  await hub.enrolled("gpu7");
  hub.desk.do(
    { kind: "administrator", name: "alice", origin: "" },
    {
      name: "node.change",
      needs: "admin",
      target: "gpu7",
      write: (book) => void book.changeHost("gpu7", { shown: "front" }),
    },
  );
  expect((await hub.register("front")).status).toBe(409);
});

test("a clock that is wrong for some minutes removes no machine that waits", async () => {
  start();
  await hub.enrolled("gpu7");
  await hub.pass(2 * hour);
  hub.now += 30 * day;
  await hub.pass(600 * second);
  hub.now -= 30 * day;
  await hub.pass(5 * hour);
  expect(hub.book.node("gpu7")?.state).toBe("waiting");
});

test.each([
  ["address", () => "10.0.0.66"],
  ["IPv6 network", (i: number) => `2001:db8:0:1::${i.toString(16)}`],
])("registrations without end are slowed down by their %s, and others are answered", async (_, from) => {
  start();
  const statuses: number[] = [];
  const flood = Array.from({ length: 1500 }, async (_, i) => {
    statuses.push((await hub.register(`a${i}`, {}, { from: from(i) })).status);
  });
  // What is refused costs others nothing.
  expect((await hub.register("b")).status).toBe(200);
  await hub.pass(10 * second);
  await Promise.all(flood);
  expect([200, 429, 503].map((status) => statuses.filter((one) => one === status).length)).toEqual([16, 304, 1180]);
});

test("however machines may register, there are at most 5000, and administrators see it", async () => {
  start({ register: "open" });
  const one = { state: "approved", registered: hub.now, origin: "10.0.0.6" } as const;
  const capabilities = { gpus: [], disks: [], nics: [] };
  hub.book.write((book) => {
    for (let i = 0; i < 4999; i++) {
      book.addNode({ ...one, hostname: `n${i}`, host: `n${i}`, capabilities }, hashOf(newSecret()));
    }
  });
  expect((await hub.register("last")).status).toBe(200);
  expect(hub.notices.get("push")).toContain("5000 machines are registered");
  expect((await hub.register("more", { secret: hub.enrolment("lab") })).status).toBe(429);
  hub.reset("last");
  expect((await hub.register("last")).status).toBe(200);
  hub.remove("n0");
  expect([hub.notices.get("push"), (await hub.register("more")).status]).toEqual([undefined, 200]);
});
