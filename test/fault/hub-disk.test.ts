// A disk that takes nothing more: the kernel's own limit on the size of a file stands in for it.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Link } from "../../proto/gen/feed_pb.js";
import { machine, type PlayedHost, playHost } from "../host.ts";
import { getHistory, type HubFolder, hubFolder, type RunningHub, startHub, type Viewer, view } from "../hub.ts";

let at: HubFolder;
let host: PlayedHost;
let hub: RunningHub;
let viewer: Viewer;
const until = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 20_000, interval: 50 });
const limit = (bytes: number | "unlimited") =>
  execFileSync("/usr/bin/prlimit", ["--pid", String(hub.child.pid), `--fsize=${bytes}:unlimited`]);

beforeEach(async () => {
  at = hubFolder();
  host = await playHost(() => machine(Date.now()));
  at.write({ servers: { a: host.address }, poll: { interval: 1 } });
  hub = await startHub(at);
  viewer = view(hub.url);
});

afterEach(async () => {
  viewer.close();
  await hub.stop();
  host.close();
  at.remove();
});

test.skipIf(!existsSync("/usr/bin/prlimit"))(
  "live values go on while nothing can be written, this is reported once, and nothing is lost when it can again",
  async () => {
    const points = async (): Promise<bigint[]> => (await getHistory(hub.history, { id: "a_0", type: "util" })).t;
    await until(async () => expect((await points()).length).toBeGreaterThanOrEqual(2));
    // The journal is what is written to each second; samples are seen before it is begun.
    const journal = await until(() => {
      const found = readdirSync(at.data).find((name) => name.startsWith("history.journal-"));
      if (found === undefined) throw new Error("there is no journal yet");
      return join(at.data, found);
    });
    limit(statSync(journal).size);
    await until(() => expect(viewer.events.at(-1)?.notices.join()).toMatch(/^History cannot be written/));
    const before = (await points()).length;
    await until(async () => expect((await points()).length).toBeGreaterThanOrEqual(before + 4));
    expect(viewer.hosts.get("a")?.link).toBe(Link.OPEN);
    const held = await points();
    limit("unlimited");
    await until(() => expect(viewer.events.at(-1)?.notices).toEqual([]));
    expect(hub.output().match(/error History cannot be written/g)).toHaveLength(1);
    expect(hub.output()).toMatch(/history is written again\n/);
    await hub.stop("SIGKILL");
    hub = await startHub(at);
    expect((await points()).slice(0, held.length)).toEqual(held);
  },
);
