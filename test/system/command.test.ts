// The verbs of the real gohm beside a real hub, and beside servers that are none.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttp, type RequestListener, type Server } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { machine, type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { start, top } from "../program.ts";

const program = join(top, "dist", "gohm.mjs");
const { version } = JSON.parse(readFileSync(join(top, "package.json"), "utf8")) as { version: string };

let at: HubFolder;
let hub: RunningHub | undefined;
let host: PlayedHost | undefined;
let server: Server | undefined;

beforeEach(() => {
  at = hubFolder();
});

afterEach(async () => {
  await hub?.stop();
  host?.close();
  server?.close();
  hub = host = server = undefined;
  at.remove();
});

interface Said {
  readonly status: number | null;
  readonly output: string;
}

async function gohm(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Said> {
  const started = start("gohm.mjs", args, { GOHM_DATA: join(at.folder, "none"), ...env });
  await new Promise((resolve) => started.child.once("close", resolve));
  return { status: started.child.exitCode, output: started.output() };
}

/** A hub with machines, of which as many answer as are played. */
async function watching(servers: Readonly<Record<string, string>>): Promise<string> {
  at.write({ servers, hub: { name: "机房一" }, poll: { interval: 1 } });
  const started = await startHub(at);
  hub = started;
  return started.url;
}

async function played(): Promise<string> {
  const started = await playHost(() => machine(Date.now()));
  host = started;
  return started.address;
}

test("a hub whose machines all answer is ok, with status 0, in every form", async () => {
  const url = await watching({ a: await played() });
  await vi.waitFor(async () => expect((await gohm(["status", "--hub", url])).status).toBe(0), { timeout: 20_000 });
  expect(await gohm(["status", "--hub", url])).toEqual({
    status: 0,
    output: `status     ok\nname       机房一\nversion    ${version}\nhosts      1\nanswering  1\nnotices    –\n`,
  });
  expect((await gohm(["status", "-P"], { GOHM_HUB: url })).output).toBe(
    `status|name|version|hosts|open|notices\nok|机房一|${version}|1|1|\n`,
  );
  expect((await gohm(["--csv", "status"], { GOHM_HUB: `${url}/` })).output).toBe(
    `status,name,version,hosts,open,notices\r\nok,机房一,${version},1,1,\r\n`,
  );
  const { output } = await gohm(["status", "--json", "--hub", url]);
  expect(JSON.parse(output)).toMatchObject({ status: "ok", name: "机房一", version, hosts: 1, open: 1, notices: [] });
});

test("without an address the hub of the data folder is asked, by its own user and root alone", async () => {
  const url = await watching({ a: await played() });
  await vi.waitFor(async () => expect((await gohm(["status", "--hub", url])).status).toBe(0), { timeout: 20_000 });
  const { status, output } = await gohm(["status"], { GOHM_DATA: at.data });
  expect([status, output]).toEqual([0, expect.stringMatching(/^status {5}ok\nname {7}机房一\n/)]);
  expect((await gohm(["status", "--data", at.data], { GOHM_HUB: "http://127.0.0.1:1" })).status).toBe(0);
  if (process.getuid?.() !== 0) return;
  for (const folder of [at.folder, at.data]) chmodSync(folder, 0o777);
  const other = { uid: 65_534, gid: 65_534, env: { GOHM_DATA: at.data }, encoding: "utf8" } as const;
  const refused = spawnSync(process.execPath, [program, "status"], other);
  expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining("belongs to another user")]);
});

test("a machine that does not answer, or a notice, is status 3, and both are told", async () => {
  const url = await watching({ a: "127.0.0.1:1" });
  const { status, output } = await gohm(["status", "--hub", url]);
  expect([status, output]).toEqual([
    3,
    expect.stringMatching(/^status {5}degraded\n.*\nanswering {2}0 \(1 does not answer: a\)$/ms),
  ]);
  at.write("{");
  await vi.waitFor(
    async () => expect((await gohm(["status", "--hub", url])).output).toContain("notices    Cannot read"),
    {
      timeout: 20_000,
    },
  );
});

test("where no hub can be asked the status is 1, and 2 where the command line cannot be understood", async () => {
  const none = await gohm(["status"]);
  expect(none).toEqual({ status: 1, output: expect.stringMatching(/^gohm: No hub runs on the data folder .*none: /) });
  const away = await gohm(["status", "--hub", "http://127.0.0.1:1"]);
  expect(away).toEqual({
    status: 1,
    output: "gohm: Cannot reach a hub at http://127.0.0.1:1 (--hub): nothing listens there\n",
  });
  expect(await gohm(["status", "--jsno"])).toEqual({
    status: 2,
    output: "gohm: There is no option --jsno: did you mean --json? See gohm help status.\n",
  });
  expect(await gohm(["status", "x"])).toMatchObject({ status: 2 });
});

/** @returns The port of 127.0.0.1 that it listens on. */
async function serve(made: Server): Promise<number> {
  server = made;
  await new Promise<void>((done) => made.listen(0, "127.0.0.1", done));
  return (made.address() as AddressInfo).port;
}

const health: RequestListener = (_, response) => {
  const hostile = "\u001b]0;owned\u0007\u009b31m\u202e\r\n=x";
  const answer = { status: "ok", name: hostile, version: "9", hub: "x", hosts: 2, open: 2, notices: [hostile] };
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
};

test("nothing that a hub says steers the terminal", async () => {
  const port = await serve(createHttp(health));
  for (const form of [[], ["--json"], ["--csv"], ["-P"]]) {
    const { status, output } = await gohm(["status", ...form, "--hub", `http://127.0.0.1:${port}`]);
    expect([status, output]).toEqual([3, expect.not.stringMatching(/(?!\r?\n)[\p{Cc}\p{Cf}]/u)]);
    expect(output).toContain("owned");
  }
});

test.each([
  [undefined, "8 (2 do not answer)"],
  [["a", "b\u001b[31m"], "8 (2 do not answer: a, b[31m)"],
  [["a"], "8 (2 do not answer: a and 1 more)"],
])("hosts that do not answer, %j, are named: %s", async (silent, wanted) => {
  const answer = { status: "ok", name: "", version: "9", hub: "x", hosts: 10, open: 8, notices: [], silent };
  const port = await serve(createHttp((_, response) => void response.end(JSON.stringify(answer))));
  const url = `http://127.0.0.1:${port}`;
  expect((await gohm(["status", "--hub", url])).output).toContain(`answering  ${wanted}\n`);
  expect((await gohm(["status", "-P", "--hub", url])).output).toMatch(/^status\|name\|version\|hosts\|open\|notices\n/);
});

test("another server than a hub is named", async () => {
  const port = await serve(createHttp((_, response) => void response.end("<html>")));
  expect(await gohm(["status", "--hub", `http://127.0.0.1:${port}`])).toEqual({
    status: 1,
    output: `gohm: What answers at http://127.0.0.1:${port} (--hub) is not a GOHM hub\n`,
  });
});

describe.skipIf(spawnSync("openssl", ["version"]).status !== 0)("TLS (openssl)", () => {
  test("a hub with a certificate of one's own authority is asked with GOHM_HUB_CA, and refused without", async () => {
    const folder = mkdtempSync(join(tmpdir(), "gohm-command-"));
    try {
      const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
      const subject = ["-subj", "/CN=hub", "-addext", "subjectAltName=IP:127.0.0.1"];
      const made = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        ...subject,
        "-keyout",
        key,
        "-out",
        cert,
      ];
      execFileSync("openssl", made, { stdio: "ignore" });
      const port = await serve(createHttps({ key: readFileSync(key), cert: readFileSync(cert) }, health));
      const url = `https://127.0.0.1:${port}`;
      expect(await gohm(["status", "--hub", url])).toEqual({
        status: 1,
        output: expect.stringContaining(`The certificate of ${url} (--hub) is not trusted: it is signed by itself`),
      });
      for (const env of [{ GOHM_HUB_CA: cert }, { NODE_EXTRA_CA_CERTS: cert }, { SSL_CERT_FILE: cert }]) {
        expect(await gohm(["status", "--hub", url], env)).toMatchObject({ status: 3 });
      }
      expect(await gohm(["status", "--hub", url, "--hub-ca", key])).toEqual({
        status: 1,
        output: `gohm: Cannot read setting "hub-ca" (GOHM_HUB_CA): must be a file of certificates, PEM: "${key}" contains no certificate\n`,
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test("a reader that goes away is no error, a full disk is one", async () => {
  const child = spawn(process.execPath, [program, "schema"], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  let said = "";
  child.stderr.on("data", (piece) => {
    said += piece;
  });
  const status = await new Promise((done) => child.once("close", done));
  expect([status, said]).toEqual([0, ""]);
  const fd = openSync("/dev/full", "w");
  const full = spawnSync(process.execPath, [program, "schema"], { stdio: ["ignore", fd, "pipe"], encoding: "utf8" });
  closeSync(fd);
  expect([full.status, full.stderr]).toEqual([
    1,
    expect.stringMatching(/^gohm: Cannot write the output: .*ENOSPC.*\n$/),
  ]);
});

test("help tells of one command or of all, and a mistyped one is hinted at", async () => {
  const one = await gohm(["help", "backup"]);
  expect(one).toEqual({
    status: 0,
    output: expect.stringMatching(/^Usage: gohm backup \[OPTIONS\] FILE\|FOLDER\/\n.*Exit status:/s),
  });
  expect(await gohm(["backup", "--help"])).toEqual(one);
  const all = await gohm(["--help"]);
  expect(all).toEqual({ status: 0, output: expect.stringMatching(/gohm status.*gohm backup.*GOHM_HUB_ADDR/s) });
  expect(await gohm(["help"])).toEqual(all);
  expect(await gohm(["help", "status", "extra"])).toEqual({
    status: 2,
    output: 'gohm: gohm help wants at most one command: it was given "status extra". See gohm --help.\n',
  });
  expect(await gohm(["statsu"])).toEqual({
    status: 1,
    output: 'gohm: There is no command "statsu": did you mean "status"? See gohm --help.\n',
  });
});

test("completion is printed for the shells there are, and no other", async () => {
  expect(await gohm(["completion", "bash"])).toEqual({
    status: 0,
    output: expect.stringContaining("complete -F _gohm gohm"),
  });
  expect(await gohm(["completion", "tcsh"])).toEqual({
    status: 2,
    output: 'gohm: gohm completion knows bash, zsh, fish: it was given "tcsh". See gohm help completion.\n',
  });
});
