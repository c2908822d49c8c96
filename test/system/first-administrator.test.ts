// The first administrator of a hub: by a link that only a terminal shows.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type HubFolder, hubFolder, launch } from "../hub.ts";
import { type Program, programOf, top } from "../program.ts";

/** Gives a program a terminal (bsdutils, which every Debian has). */
const script = "/usr/bin/script";

let at: HubFolder;
let hub: Program | undefined;

beforeEach(() => {
  at = hubFolder();
  at.write({ servers: {} });
});

afterEach(async () => {
  await hub?.stop();
  at.remove();
});

function launchInTerminal(): Program {
  const command = `exec ${process.execPath} ${join(top, "dist", "gohm.mjs")}`;
  const child = spawn(script, ["-qefc", command, "/dev/null"], {
    env: {
      PATH: process.env.PATH ?? "",
      GOHM_SETTINGS: at.settings,
      GOHM_DATA: at.data,
      GOHM_HUB_ADDR: "127.0.0.1:0",
      GOHM_HISTORY_ADDR: "127.0.0.1:0",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return programOf(child, "gohm in a terminal");
}

test.skipIf(!existsSync(script))(
  "in a terminal a new hub shows a link, by which somebody becomes its administrator, once; after that it shows none",
  async () => {
    hub = launchInTerminal();
    const [, url = "", token = ""] = await hub.line(/(http:\/\/127\.0\.0\.1:\d+)\/#\/link\/([A-Za-z0-9_-]{43})\s/);
    const follow = () =>
      fetch(`${url}/api/v1/session/link`, {
        method: "POST",
        headers: { "Content-Type": "application/json", Origin: url },
        body: JSON.stringify({ token, password: "correct horse battery" }),
      });
    const answer = await follow();
    expect([answer.status, await answer.json()]).toEqual([200, { name: "admin", role: "administrator" }]);
    const [cookie = ""] = answer.headers.getSetCookie()[0]?.split(";") ?? [];
    const me = await fetch(`${url}/api/v1/me`, { headers: { cookie } });
    expect(await me.json()).toMatchObject({ kind: "administrator", name: "admin", session: true });
    expect((await follow()).status).toBe(404);
    await hub.stop();
    hub = launchInTerminal();
    await hub.line(/hub ready/);
    await hub.stop();
    expect(hub.output()).not.toMatch(/link|administrator/);
  },
);

test("into a log no link is written, but how to get one", async () => {
  hub = launch(at);
  await hub.line(/no administrator yet: run gohm account link/);
  expect(hub.output()).not.toContain("#/link/");
});
