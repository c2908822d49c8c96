// The verbs of administration, of the real gohm beside a real hub: over its control socket, and over TCP with tokens.
import { type SpawnSyncReturns, spawn } from "node:child_process";
import { linkSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { machine, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { bare, program, runGohm } from "./gohm.ts";
import { expired, fill, hostile } from "./waiting.ts";

let at: HubFolder;
let hub: RunningHub | undefined;

beforeEach(() => {
  at = hubFolder();
});

afterEach(async () => {
  await hub?.stop();
  hub = undefined;
  at.remove();
});

/** Starts a hub that polls "gpu1", where nothing listens, and knows "pushing", which waits for approval. */
async function begin(): Promise<RunningHub> {
  at.write({ servers: { gpu1: { address: "127.0.0.1:1", group: "lab" } } });
  const first = await startHub(at);
  // The book is the hub's alone while it runs.
  await first.stop();
  fill(at.data);
  hub = await startHub(at);
  return hub;
}

type Env = Readonly<Record<string, string>>;
interface Input {
  readonly env?: Env;
  readonly stdin?: string;
}

const gohm = (args: readonly string[], { env = { GOHM_DATA: at.data }, stdin }: Input = {}): SpawnSyncReturns<string> =>
  runGohm(args, env, stdin);

/** What a verb prints. @throws if it ends with another status than 0 */
function said(args: readonly string[], input?: Input): string {
  const { status, stdout, stderr } = gohm(args, input);
  expect([args, status, stderr]).toEqual([args, 0, expect.any(String)]);
  return stdout;
}

// biome-ignore lint/suspicious/noExplicitAny: each verb has its own, and a test looks at parts of it
const json = (args: readonly string[], input?: Input): any => JSON.parse(said([...args, "--json"], input));

const password = "correct horse 电池";

/** Everything that an administrator does, in order: the same wherever it is asked. */
function administer(input: Input): void {
  expect(json(["node", "list"], input).nodes.map(({ name }: { name: string }) => name)).toContain("gpu1");
  expect(said(["node", "approve", "pushing", "-P"], input)).toMatch(
    /^name\|shown\|state\|.*\npushing\|pushing\|silent\|/,
  );
  const config = '{"gpuIndices":[0,1],"diskMounts":["/"],"nicNames":null,"reportIntervalSec":5}';
  expect(json(["node", "set", "gpu1", "--config", config], input)).toMatchObject({
    config: JSON.parse(config),
    configVersion: 1,
  });
  // Of selected cards only those count that are there.
  expect(said(["node", "set", "pushing", "--config", '{"gpuIndices":[0,7]}'], input)).toMatch(/ 1 of 2 /);
  const labels = ["--label", "rack=7", "--label", "owner=a=b"];
  expect(json(["node", "set", "pushing", "--group", "lab", ...labels], input)).toMatchObject({
    group: "lab",
    labels: { rack: "7", owner: "a=b" },
  });
  expect(json(["node", "set", "pushing", "--group", "", "--label", "rack="], input)).toMatchObject({
    group: null,
    labels: { owner: "a=b" },
  });
  expect(json(["node", "rename", "pushing", "Blue one"], input)).toMatchObject({ name: "pushing", shown: "Blue one" });
  expect(json(["node", "reset", "Blue one"], input).registration).toMatchObject({ reset: true });
  expect(said(["node", "list"], input)).toMatch(/^Blue one \(pushing\) +silent, may register again /m);
  expect(json(["node", "rename", "Blue one"], input).shown).toBe("pushing");
  expect(json(["node", "add", "added", "127.0.0.1:1"], input)).toMatchObject({ ways: ["book"] });
  expect(json(["node", "set", "added", "--address", "127.0.0.1:2"], input).address).toBe("127.0.0.1:2");
  expect(said(["node", "delete", "added", "--history"], input)).toBe("NAME   HISTORY\nadded  deleted\n");
  const made = { ...input, stdin: `${password}\n` };
  expect(
    json(["account", "create", "alice", "--role", "administrator", "--password-stdin"], made).account,
  ).toMatchObject({
    role: "administrator",
    hasPassword: true,
  });
  const link = gohm(["account", "create", "bob", "--link"], input);
  expect([link.status, link.stdout, link.stderr]).toEqual([
    0,
    expect.stringMatching(/^http:\/\/[^/]+\/#\/link\/[\w-]{43}\n$/),
    expect.stringMatching(/^This link sets the password of "bob" and signs in, once, until 20\d\d-/),
  ]);
  expect(said(["account", "link", "bob"], input)).toMatch(/#\/link\/[\w-]{43}\n$/);
  // A mistyped name does not make an administrator without a word.
  expect(gohm(["account", "link", "bobb"], input).stderr).toMatch(
    /^There is no account "bobb" yet: this link creates it, as an administrator, /,
  );
  expect(said(["account", "role", "bob", "administrator", "-P"], input)).toMatch(/\nbob\|administrator\|none\|/);
  expect(said(["account", "password", "bob", "--password-stdin", "--csv"], made)).toMatch(/\nbob,administrator,set,/);
  expect(said(["account", "delete", "bob"], input)).toBe("DELETED\nbob\n");
  expect(json(["account", "list"], input).accounts.map(({ name }: { name: string }) => name)).toEqual(["alice"]);
  const token = gohm(["token", "create", "grafana", "--days", "30"], input);
  expect([token.status, token.stdout, token.stderr]).toEqual([
    0,
    expect.stringMatching(/^gohm_[\w-]{43}\n$/),
    expect.stringMatching(
      /^This is the token "grafana" with the scope "read"; it expires at 20.* not shown again\.\n$/,
    ),
  ]);
  expect(json(["token", "create", "ci", "--scope", "push"], input).secret).toMatch(/^gohm_/);
  expect(said(["token", "list", "-P"], input)).toMatch(/\ngrafana\|read\|/);
  expect(said(["token", "revoke", "grafana"], input)).toBe("REVOKED\ngrafana\n");
  expect(json(["token", "revoke", "ci"], input)).toEqual({ ok: true });
  const entries = json(["audit", "--limit", "1000"], input).entries as { action: string; target: string }[];
  const found = entries.map(({ action, target }) => `${action} ${target}`);
  for (const one of ["node.approve pushing", "node.configure gpu1", "account.create alice", "token.revoke grafana"]) {
    expect(found).toContain(one);
  }
  expect(said(["audit", "--action", "token", "--target", "ci", "-P"], input).trimEnd().split("\n")).toHaveLength(3);
}

test("on the hub's machine everything is done through the control socket, by its owner", async () => {
  await begin();
  administer({});
  expect(json(["audit", "--actor", "owner"]).entries[0]).toMatchObject({ origin: "control" });
});

const tokenOf = (scope: string): string => said(["token", "create", scope, "--scope", scope]).trim();

test("elsewhere everything is done with a token of an administrator", async () => {
  const { url } = await begin();
  administer({ env: { GOHM_HUB: url, GOHM_HUB_TOKEN: tokenOf("admin") } });
  expect(json(["audit", "--actor", "token admin"]).entries[0]).toMatchObject({ origin: "127.0.0.1" });
});

test("nothing is done elsewhere with a token to read or to report, an expired or wrong one, or none", async () => {
  const { url } = await begin();
  const [admin, read, push] = [tokenOf("admin"), tokenOf("read"), tokenOf("push")];
  for (const [secret, wanted, verbs] of [
    [read, /requires the right "admin"/, refusable],
    [push, /requires the right "admin"/, refusable.slice(0, 2)],
    [`${admin}x`, /rejected this token/, refusable.slice(0, 2)],
    [expired, /rejected this token/, refusable.slice(0, 2)],
    ["", /requires a token: GOHM_HUB_TOKEN/, refusable.slice(0, 2)],
  ] as const) {
    const env = { GOHM_HUB: url, ...(secret === "" ? {} : { GOHM_HUB_TOKEN: secret }) };
    for (const args of verbs) {
      const { status, stdout, stderr } = gohm(args, { env, stdin: password });
      expect([args, status, stdout, stderr]).toEqual([args, 1, "", expect.stringMatching(wanted)]);
      expect(stderr).not.toContain(secret || "?");
    }
  }
  expect(json(["account", "list"]).accounts).toEqual([]);
  expect(json(["node", "list"]).nodes.find(({ name }: { name: string }) => name === "pushing").state).toBe("waiting");
});

test("a host of the settings file is changed and deleted in it, and stays so over a restart", async () => {
  const running = await begin();
  at.write(`{\n  // rack 3\n  "servers": { "gpu1": "127.0.0.1:1", "gpu2": "127.0.0.1:1" }\n}\n`);
  expect(json(["node", "set", "gpu1", "--address", "127.0.0.1:2", "--group", "lab"])).toMatchObject({
    address: "127.0.0.1:2",
    group: "lab",
    file: { path: at.settings, obstacle: null },
  });
  expect(said(["node", "delete", "gpu2"])).toBe("NAME  HISTORY\ngpu2  kept\n");
  const wanted = `{\n  // rack 3\n  "servers": { "gpu1": { "address": "127.0.0.1:2", "group": "lab" } }\n}\n`;
  expect(readFileSync(at.settings, "utf8")).toBe(wanted);
  await running.stop();
  hub = await startHub(at);
  const { nodes } = json(["node", "list"]) as { nodes: { name: string; address: string }[] };
  expect(nodes.flatMap(({ name, address }) => (name.startsWith("gpu") ? [`${name} ${address}`] : []))).toEqual([
    "gpu1 127.0.0.1:2",
  ]);
  expect(json(["audit", "--action", "node"]).entries.map(({ details }: { details: object }) => details)).toEqual([
    { settings: at.settings, history: false },
    { settings: at.settings, group: "lab", address: "127.0.0.1:2" },
  ]);
});

test("a host that is added is polled at once, and is deleted with its history", async () => {
  const { url } = await begin();
  const machineOf = await playHost(() => machine(Date.now()));
  try {
    const asked = async (): Promise<string[]> => {
      const answer = await fetch(`${url}/api/history?host=played&metric=gpu_utilization&step=0`);
      const { series, error } = (await answer.json()) as { series?: { key: string }[]; error?: { code: string } };
      return error === undefined ? (series ?? []).map(({ key }) => key) : [error.code];
    };
    said(["node", "add", "played", machineOf.address]);
    said(["node", "set", "played", "--config", '{"reportIntervalSec":1}']);
    const state = (): string =>
      json(["node", "list"]).nodes.find(({ name }: { name: string }) => name === "played").state;
    await vi.waitFor(() => expect(state()).toBe("answering"), { timeout: 20_000 });
    await vi.waitFor(async () => expect(await asked()).not.toEqual(["host_unknown"]), { timeout: 20_000 });
    expect(json(["node", "delete", "played", "--history"])).toEqual({ ok: true, history: true });
    expect(await asked()).toEqual(["host_unknown"]);
    expect(json(["audit", "--action", "node.delete"]).entries[0].details).toEqual({ history: true });
  } finally {
    machineOf.close();
  }
});

/** All verbs that ask the hub. */
const refusable: readonly (readonly string[])[] = [
  ["node", "list"],
  ["node", "approve", "pushing"],
  ["node", "set", "pushing", "--group", "x"],
  ["node", "reset", "pushing"],
  ["node", "rename", "pushing", "x"],
  ["node", "delete", "pushing"],
  ["node", "add", "x", "127.0.0.1:1"],
  ["node", "refused"],
  ["account", "list"],
  ["account", "create", "x", "--password-stdin"],
  ["account", "password", "x", "--password-stdin"],
  ["account", "role", "x", "viewer"],
  ["account", "delete", "x"],
  ["account", "link"],
  ["account", "sessions", "x"],
  ["account", "sign-out", "x"],
  ["token", "list"],
  ["token", "create", "x"],
  ["token", "revoke", "x"],
  ["audit"],
];

test("gohm lists the browsers of an account, and signs it out in one of them or in all", async () => {
  const { url } = await begin();
  said(["account", "create", "alice", "--password-stdin"], { stdin: `${password}\n` });
  const signIn = async (browser: string): Promise<void> => {
    const headers = { "Content-Type": "application/json", Origin: url, "User-Agent": browser };
    const body = JSON.stringify({ name: "alice", password });
    expect((await fetch(`${url}/api/v1/session`, { method: "POST", headers, body })).status).toBe(200);
  };
  // A browser may say anything.
  for (const browser of ["Firefox", "=cmd|A1", "Chrome \x9b31m"]) await signIn(browser);
  expect(said(["account", "sessions", "alice"])).toMatch(/^SESSION +LAST USE +SIGNED IN +FROM +BY +BROWSER\n/);
  expect(said(["account", "sessions", "alice", "--csv"])).toMatch(/,127\.0\.0\.1,password,'=cmd\|A1$/m);
  expect(said(["account", "sessions", "alice"])).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
  const { sessions } = json(["account", "sessions", "alice"]);
  const { id } = sessions.find(({ agent }: { agent: string }) => agent === "Firefox");
  expect(said(["account", "sign-out", "alice", id])).toMatch(/^ENDED\n +1\n$/);
  const again = gohm(["account", "sign-out", "alice", id]);
  expect([again.status, again.stderr]).toEqual([1, expect.stringMatching(/"alice" has no session of that number/)]);
  expect(json(["account", "sign-out", "ALICE"])).toEqual({ ok: true, ended: 2 });
  expect(said(["account", "sessions", "alice", "-P"]).trimEnd().split("\n")).toHaveLength(1);
});

test("no name of a machine steers the terminal, ends a line, moves a column or is a formula", async () => {
  await begin();
  const steering = /(?!\r?\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
  const lines = 2 + hostile.length;
  for (const form of [[], ["--csv"], ["-P"]]) {
    const output = said(["node", "list", ...form]);
    expect(output).not.toMatch(steering);
    expect(output.trimEnd().split("\n")).toHaveLength(lines + 1);
  }
  expect(said(["node", "list", "--csv"])).toContain("\n'=HYPERLINK(1),'=HYPERLINK(1),waiting,");
  expect(said(["node", "list", "-P"])).toContain("\na¦b|a¦b|waiting|");
  const output = said(["node", "list", "--json"]);
  expect(output.replaceAll("\n", "")).not.toMatch(steering);
  const names = JSON.parse(output).nodes.map(({ name }: { name: string }) => name);
  expect(names).toEqual(expect.arrayContaining([...hostile]));
  for (const name of hostile) {
    expect(JSON.parse(said(["node", "approve", "--json", "--", name])).name).toBe(name);
  }
  const log = said(["audit"]);
  expect(log).not.toMatch(steering);
  expect(log).toContain("=HYPERLINK(1)");
});

test("what cannot be done ends with 1 and says why, a line that cannot be understood ends with 2", async () => {
  await begin();
  linkSync(at.settings, join(at.folder, "same.json"));
  for (const [args, status, wanted] of [
    [["node", "approve", "nobody"], 1, /refuses: There is no host "nobody"\.$/],
    [["node", "approve", "gpu1"], 1, /refuses: The host "gpu1" is polled: no machine has registered for it\.$/],
    [
      ["node", "delete", "gpu1"],
      1,
      /refuses: "gpu1" is in .*settings\.json, which the hub cannot change: .* hard links,/,
    ],
    [
      ["node", "set", "gpu1", "--group", "x"],
      1,
      /refuses: The group of "gpu1" is in .*settings\.json, which the hub cannot change: .* hard links,/,
    ],
    [
      ["node", "set", "gpu1", "--config", '{"gpuIndices":[-1]}'],
      1,
      /refuses: The body's "gpuIndices\.0" must be at least 0: it is -1\.$/,
    ],
    [
      ["node", "set", "gpu1"],
      2,
      /wants at least one of --config, --group, --label and --address\. See gohm help node set\.$/,
    ],
    [["node", "set", "gpu1", "--config", "[0]"], 2, /--config wants a JSON object .*: it was given \[0\]\. See/],
    [["node", "set", "gpu1", "--config", "{gpuIndices:[0]}"], 2, /it was given \{gpuIndices:\[0\]\}\. See/],
    [
      ["node", "set", "gpu1", "--label", "rack"],
      2,
      /--label wants KEY=VALUE, or KEY= to remove a label: it was given "rack"\. See/,
    ],
    [["node", "add", "gpu1", "127.0.0.1:9"], 1, /refuses: The host "gpu1" is polled already\.$/],
    [
      ["node", "add", "x"],
      2,
      /gohm node add wants one host and one address: it was given "x"\. See gohm help node add\.$/,
    ],
    [["node", "rename", "pushing", "gpu1"], 1, /refuses: "gpu1" is a name of the host "gpu1" already\.$/],
    [
      ["node"],
      1,
      /"node" needs one more word: list, approve, set, reset, rename, delete, add, refused\. See gohm --help\.$/,
    ],
    [["node", "lst"], 1, /There is no command "node lst": did you mean "node list"\? See gohm --help\.$/],
    [["account", "create", "x"], 2, /There is no terminal to ask for the password: use --password-stdin .*, or --link/],
    [
      ["account", "create", "x", "--role", "root"],
      2,
      /--role wants one of administrator, viewer: it was given "root"\. See/,
    ],
    [
      ["account", "create", "x", "--link", "--password-stdin"],
      2,
      /--link and --password-stdin exclude each other\. See/,
    ],
    [["account", "role", "x", "root"], 2, /ROLE wants one of administrator, viewer: it was given "root"\. See/],
    [["account", "password", "nobody", "--password-stdin"], 1, /There is no account "nobody"$/],
    [["account", "create", "x", "--password-stdin"], 1, /There is no password on standard input$/],
    [
      ["token", "create", "x", "--days", "-1"],
      2,
      /--days wants a whole number from 1 to 3650: it was given "-1"\. See/,
    ],
    [
      ["token", "create", "x", "--scope", "root"],
      2,
      /--scope wants one of read, push, admin, enroll: it was given "root"\. See/,
    ],
    [["token", "revoke", "x"], 1, /refuses: There is no token "x"\.$/],
    [["audit", "--limit", "0"], 1, /refuses: The parameter "limit" must be a whole number from 1: it is "0"\.$/],
  ] as const) {
    const { status: ended, stdout, stderr } = gohm(args);
    expect([args, ended, stdout, stderr.trimEnd()]).toEqual([args, status, "", expect.stringMatching(wanted)]);
  }
  for (const [stdin, wanted] of [
    ["short\n", /refuses: The password must have at least \d+ characters: it has 5\.$/],
    ["two\nlines\n", /There is more than one line on standard input: a password is one line$/],
    ["x".repeat(9000), /The password on standard input is longer than 8192 bytes$/],
  ] as const) {
    const { status, stderr } = gohm(["account", "create", "x", "--password-stdin"], { stdin });
    expect([status, stderr.trimEnd()]).toEqual([1, expect.stringMatching(wanted)]);
  }
  expect(json(["account", "list"])).toEqual({ accounts: [] });
  expect(json(["audit"]).entries).toEqual([]);
});

test("of several machines those before the one that is refused are approved and printed", async () => {
  await begin();
  const { status, stdout, stderr } = gohm(["node", "approve", "pushing", "nobody", "=HYPERLINK(1)", "-P"]);
  expect([status, stderr]).toEqual([1, expect.stringContaining('There is no host "nobody"')]);
  expect(stdout.trimEnd().split("\n").slice(1)).toEqual([expect.stringMatching(/^pushing\|/)]);
});

test("many who create the same account and token at once get one of each", async () => {
  await begin();
  const env = { ...bare, GOHM_DATA: at.data };
  const all = await Promise.all(
    Array.from({ length: 6 }, (_, i) => {
      const args = i % 2 ? ["token", "create", "same"] : ["account", "create", "same", "--link"];
      const child = spawn(process.execPath, [program, ...args], { env, stdio: "ignore" });
      return new Promise<number | null>((done) => child.once("close", done));
    }),
  );
  expect(all.toSorted()).toEqual([0, 0, 1, 1, 1, 1]);
});

test("help lists the verbs of a first word, and explains each of them", () => {
  const group = said(["help", "node"]);
  expect(group).toMatch(/^Usage:\n {2}gohm node list \[OPTIONS\] +list all hosts/);
  expect(group).toContain("gohm help node WORD explains one of them.");
  expect(said(["help", "node", "set"])).toBe(said(["node", "set", "--help"]));
  expect(said(["node", "set", "--help"])).toContain("--label KEY=VALUE...");
});
