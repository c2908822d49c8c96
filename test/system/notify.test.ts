// What a service manager hears of the built hub: through a datagram socket, as systemd's is. systemd itself, as process 1, was
// not tried.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join, relative } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { type Program, programOf, top } from "../program.ts";

const python = "/usr/bin/python3";
const patience = { timeout: 30_000, interval: 20 };

let at: HubFolder;
let hub: RunningHub | undefined;
let manager: Program | undefined;

beforeEach(() => {
  at = hubFolder();
  at.write({ servers: {} });
});

afterEach(async () => {
  await hub?.stop("SIGKILL");
  await manager?.stop("SIGKILL");
  [hub, manager] = [undefined, undefined];
  at.remove();
});

interface Heard {
  readonly pid?: number;
  readonly text?: string;
}

/** Datagrams that arrived so far. */
const heard = (): Heard[] =>
  (manager?.output() ?? "")
    .split("\n")
    .slice(1, -1)
    .map((line) => JSON.parse(line) as Heard);

describe.skipIf(!existsSync(python))("a service manager (python3)", () => {
  test.each(["path", "abstract"])("hears of the hub itself, at the socket of a %s name", async (kind) => {
    const address = kind === "path" ? join(at.folder, "notify") : `@gohm-${process.pid}-${Date.now()}`;
    const child = spawn(python, [join(top, "test/system/notify.py"), address], { stdio: ["ignore", "pipe", "pipe"] });
    manager = programOf(child, "notify.py");
    await manager.line(/bound/);
    // A beat every 50 ms.
    hub = await startHub(at, { NOTIFY_SOCKET: address, WATCHDOG_USEC: "100000" });
    await expect.poll(() => heard().filter(({ text }) => text === "WATCHDOG=1").length, patience).toBeGreaterThan(2);
    expect(heard()[0]?.text).toBe(`READY=1\nSTATUS=serving ${hub.url}`);
    hub.child.kill("SIGTERM");
    await once(hub.child, "close");
    await expect.poll(() => heard().at(-1)?.text, patience).toBe("STOPPING=1");
    // systemd takes messages of the main process, whatever NotifyAccess says.
    expect(new Set(heard().map(({ pid }) => pid))).toEqual(new Set([hub.child.pid]));
  });

  test.skipIf(!existsSync("/usr/bin/systemd-notify"))(
    "hears of it through systemd-notify where koffi is missing",
    async () => {
      // As on a processor for which there is none.
      const copy = join(at.folder, "copy");
      cpSync(join(top, "dist"), join(copy, "dist"), { recursive: true });
      mkdirSync(join(copy, "node_modules"));
      symlinkSync(join(top, "node_modules", "better-sqlite3"), join(copy, "node_modules", "better-sqlite3"));
      const address = join(at.folder, "notify");
      const child = spawn(python, [join(top, "test/system/notify.py"), address], { stdio: ["ignore", "pipe", "pipe"] });
      manager = programOf(child, "notify.py");
      await manager.line(/bound/);
      hub = await startHub(at, { NOTIFY_SOCKET: address }, relative(join(top, "dist"), join(copy, "dist", "gohm.mjs")));
      await expect
        .poll(() => heard().map(({ text }) => text), patience)
        .toEqual([`READY=1\nSTATUS=serving ${hub.url}`]);
    },
  );

  test("a socket that nobody listens at does not keep the hub from serving", async () => {
    hub = await startHub(at, { NOTIFY_SOCKET: join(at.folder, "nobody"), WATCHDOG_USEC: "100000" });
    expect((await fetch(`${hub.url}/api/health`)).status).toBe(200);
    expect(await hub.stop()).toBe(0);
    expect(hub.output().match(/systemd cannot be told/g)).toHaveLength(1);
  });
});
