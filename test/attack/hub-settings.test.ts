// What a settings file may become while the hub runs: none of it may end the hub, block it, or make it forget its hosts.
import { execFileSync } from "node:child_process";
import { existsSync, truncateSync } from "node:fs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { machine, type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";

let at: HubFolder;
let host: PlayedHost;
let hub: RunningHub;
const until = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 20_000, interval: 50 });

interface Health {
  readonly hosts: number;
  readonly open: number;
  readonly notices: readonly string[];
}
const health = async (): Promise<Health> => (await (await fetch(`${hub.url}/api/health`)).json()) as Health;
const settings = (...names: string[]): string =>
  JSON.stringify({ servers: Object.fromEntries(names.map((name) => [name, host.address])), poll: { interval: 1 } });

beforeEach(async () => {
  at = hubFolder();
  host = await playHost(() => machine(Date.now()));
  at.write(settings("a", "b"));
  hub = await startHub(at);
  await until(async () => expect(await health()).toMatchObject({ open: 2 }));
});

afterEach(async () => {
  await hub.stop();
  host.close();
  at.remove();
});

test("an empty and a deeply nested settings file leave the previous settings in effect, and say so", async () => {
  const attacks: readonly (readonly [() => void, RegExp])[] = [
    [() => truncateSync(at.settings, 0), /settings\.json: the file is empty/],
    [() => at.write(`{"servers":${'{"a":'.repeat(5000)}1${"}".repeat(5001)}`), /nested deeper than 32 levels/],
  ];
  for (const [attack, wanted] of attacks) {
    attack();
    await until(async () => {
      const { notices, ...rest } = await health();
      expect(notices.join()).toMatch(wanted);
      expect(notices.join()).toMatch(/The previous settings remain in effect\.$/);
      expect(rest).toMatchObject({ hosts: 2, open: 2 });
    });
  }
  at.write(settings("a", "b"));
  await until(async () => expect((await health()).notices).toEqual([]));
});

test.skipIf(!existsSync("/usr/bin/prlimit"))(
  "settings that could not be read are read as soon as they can be",
  async () => {
    const limit = (files: string) =>
      execFileSync("/usr/bin/prlimit", ["--pid", String(hub.child.pid), `--nofile=${files}`]);
    const [, soft] = /NOFILE +\S.*? (\d+) +\d+ *$/m.exec(
      execFileSync("/usr/bin/prlimit", ["--pid", String(hub.child.pid), "--nofile", "--noheadings"]).toString(),
    ) ?? ["", "1024"];
    limit("3:");
    at.write(settings("a", "b", "c"));
    await until(() => expect(hub.output()).toMatch(/EMFILE.*the previous settings remain in effect/));
    limit(`${soft}:`);
    await until(async () => expect(await health()).toMatchObject({ hosts: 3, open: 3, notices: [] }));
  },
);
