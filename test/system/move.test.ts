// An old hub's settings.py, moved over by the command that docs/settings.md shows.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type HubFolder, hubFolder, startHub } from "../hub.ts";
import { top } from "../program.ts";

const able = spawnSync("python3", ["--version"]).status === 0;
const [, command = ""] =
  /settings\.py of the first GOHM[\s\S]*?```sh\n(.*)\n```/.exec(readFileSync(join(top, "docs/settings.md"), "utf8")) ??
  [];

let at: HubFolder;
beforeEach(() => {
  at = hubFolder();
});
afterEach(() => at.remove());

const move = (old: string) => {
  writeFileSync(join(at.folder, "settings.py"), old);
  return spawnSync("sh", ["-c", command], { cwd: at.folder, encoding: "utf8" });
};

const old = `# -*- coding: utf-8 -*-
import os
PORT = 5000
interval = 10
base = "127.0.0."
servers = {
    'local': '127.0.0.1:1',   # this machine
    "gpu-2": base + "2:1",
}
servers.update({"node%d" % i: "127.0.0.%d:1" % i for i in (3, 4)})
`;

test.skipIf(!able)(
  "a settings.py is converted to settings that the hub accepts, with every server under its name",
  async () => {
    expect(move(old)).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(JSON.parse(readFileSync(at.settings, "utf8"))).toEqual({
      servers: { local: "127.0.0.1:1", "gpu-2": "127.0.0.2:1", node3: "127.0.0.3:1", node4: "127.0.0.4:1" },
    });
    const hub = await startHub(at);
    try {
      expect(await (await fetch(`${hub.url}/api/health`)).json()).toMatchObject({ hosts: 4 });
    } finally {
      await hub.stop();
    }
  },
);

test.skipIf(!able)(
  "a settings.py that cannot be run, or has no servers, leaves no settings, and existing settings stay",
  () => {
    for (const wrong of ["servers = {", "hosts = {}", "servers = {1: object()}"]) {
      expect(move(wrong).status).not.toBe(0);
      expect(existsSync(at.settings)).toBe(false);
    }
    at.write({ servers: {} });
    expect(move(old).stderr).toContain("FileExistsError");
    expect(readFileSync(at.settings, "utf8")).toBe('{"servers":{}}');
  },
);
