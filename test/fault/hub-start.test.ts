// Starts that cannot succeed: one clear sentence that names the thing and the way out, and status 1.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type HubFolder, hubFolder, launch, startHub } from "../hub.ts";
import { type Program, start } from "../program.ts";
import { runGohm } from "../system/gohm.ts";

let at: HubFolder;

beforeEach(() => {
  at = hubFolder();
  at.write({ servers: {} });
});

afterEach(() => at.remove());

/** Status and the one sentence of a program that ends by itself. */
async function refused(program: Program): Promise<{ status: unknown; said: string }> {
  const [status] = await once(program.child, "close");
  return { status, said: program.output() };
}

async function sentence(env: Record<string, string>): Promise<string> {
  const { status, said } = await refused(launch(at, env));
  expect(status).toBe(1);
  expect(said.trim().split("\n")).toHaveLength(1);
  return said;
}

test.each([
  ["GOHM_HUB_ADDR", "the page"],
  ["GOHM_HISTORY_ADDR", "gRPC"],
])("a port in use for %s is named with the variable to change", async (name) => {
  const taken = createServer();
  taken.listen(0, "127.0.0.1");
  await once(taken, "listening");
  const address = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
  const said = await sentence({ [name]: address });
  expect(said).toContain(`gohm: Cannot listen on ${address} (${name}): another program`);
  expect(said).toContain(`set ${name} to another address`);
  taken.close();
});

test("an address that this machine does not have is named", async () => {
  expect(await sentence({ GOHM_HUB_ADDR: "192.0.2.1:0" })).toContain("Cannot listen on 192.0.2.1:0 (GOHM_HUB_ADDR)");
  expect(await sentence({ GOHM_HISTORY_ADDR: "192.0.2.1:0" })).toContain("192.0.2.1:0 (GOHM_HISTORY_ADDR)");
});

test("a data folder that cannot be created is named", async () => {
  writeFileSync(join(at.folder, "file"), "");
  const said = await sentence({ GOHM_DATA: join(at.folder, "file", "data") });
  expect(said).toMatch(
    /^gohm: Cannot use the data folder \S+\/file\/data \(GOHM_DATA\): .*set GOHM_DATA to another folder\n$/,
  );
});

test("a data folder where none can be made is named by the hub and by a restore, and neither tries without end", () => {
  const data = "/proc/gohm/data";
  const wanted = "ENOENT: no such file or directory, mkdir '/proc/gohm'";
  const hub = runGohm([], { GOHM_SETTINGS: at.settings, GOHM_DATA: data });
  expect([hub.status, hub.stderr]).toEqual([
    1,
    `gohm: Cannot use the data folder ${data} (GOHM_DATA): ${wanted}; make it writable for this user or set GOHM_DATA to another folder\n`,
  ]);
  const restore = runGohm(["restore", at.settings], { GOHM_DATA: data });
  expect([restore.status, restore.stderr]).toEqual([1, expect.stringContaining(wanted)]);
});

test("a data folder that is a file is named", async () => {
  writeFileSync(join(at.folder, "file"), "");
  const said = await sentence({ GOHM_DATA: join(at.folder, "file") });
  expect(said).toMatch(
    /^gohm: Cannot use the data folder \S+\/file \(GOHM_DATA\): .*set GOHM_DATA to another folder\n$/,
  );
});

test("a second hub on the same data folder is refused while the first runs, and may start after it was killed", async () => {
  const first = await startHub(at);
  expect(await sentence({})).toMatch(/^gohm: Another hub is using the data folder .*GOHM_DATA/);
  await first.stop("SIGKILL");
  const second = await startHub(at);
  expect(await second.stop()).toBe(0);
});

test.each([
  ["{", /settings\.json: line 1, column 2: .*expected/],
  ['{"servers": {"a": "x:1"},\n "servers": {}}', /line 2, column 2: the key "servers" is there twice/],
  ['{"server": {}}', /Unknown setting "server".*did you mean "servers"\?/],
  ['{"poll": {"intervall": 5}}', /Unknown setting "poll\.intervall".*did you mean "poll\.interval"\?/],
  ['{"poll": {"interval": 0}}', /"poll\.interval".*must be seconds from 1 to 3600: current value is 0/],
  ['{"servers": {"my host": "x:1"}}', /"servers".*letters, digits.*current value is "my host"/],
  ['{"servers": {"a": "nowhere"}}', /"servers\.a": must be an address with its port.*current value is "nowhere"/],
  ["[]", /must hold one JSON object/],
  [" \n", /settings\.json: the file is empty; write \{\} for the defaults/],
  ["[".repeat(5000), /settings\.json: line 1, column 33: nested deeper than 32 levels/],
])("settings that are %s are refused with what is wrong", async (content, wanted) => {
  at.write(content);
  expect(await sentence({})).toMatch(wanted);
});

test("a FIFO, a directory or a device in place of a file is named, and does not block the hub", async () => {
  const fifo = join(at.folder, "fifo");
  execFileSync("mkfifo", [fifo]);
  expect(await sentence({ GOHM_SETTINGS: fifo })).toContain(
    `Cannot read ${fifo}: ${fifo} is a FIFO, not a regular file`,
  );
  expect(await sentence({ GOHM_SETTINGS: at.folder })).toMatch(/is a directory, not a regular file/);
  expect(await sentence({ GOHM_POLL_TOKEN_FILE: "/dev/zero" })).toMatch(
    /"poll\.token" \(GOHM_POLL_TOKEN_FILE\): .*\/dev\/zero is a device, not a regular file/,
  );
});

test("a flag or environment variable that cannot be used is named, and a flag that does not exist", async () => {
  expect(await sentence({ GOHM_POLL_INTERVAL: "often" })).toMatch(/\(GOHM_POLL_INTERVAL\).*current value is "often"/);
  const { status, said } = await refused(start("gohm.mjs", ["--colour", "red"], {}));
  expect([status, said.trim().split("\n").length]).toEqual([1, 1]);
  expect(said).toContain("--colour");
});

test("--help, --version and schema answer and end with status 0", async () => {
  const help = await refused(start("gohm.mjs", ["--help"], {}));
  expect(help.status).toBe(0);
  expect(help.said).toContain("GOHM_HUB_ADDR");
  const version = await refused(start("gohm.mjs", ["--version"], {}));
  expect(version.said).toMatch(/^\d+\.\d+\.\d+\n$/);
  const schema = await refused(start("gohm.mjs", ["schema"], {}));
  expect(JSON.parse(schema.said)).toMatchObject({ properties: { servers: { default: { local: "127.0.0.1:9203" } } } });
});
