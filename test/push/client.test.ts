// A client in Python that knows the Lab Portal's interface alone, from its registration to its end.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type LocalHub, localHub } from "../local.ts";
import { PythonClient, python } from "./python.ts";

type Event = Readonly<Record<string, unknown>>;

type Client = PythonClient<Event>;

let hub: LocalHub;
let file: string;
let client: Client | undefined;

beforeEach(async () => {
  hub = await localHub({ push: { register: "approval" } });
  file = join(hub.folder, "exporter.json");
});

afterEach(async () => {
  await client?.stop();
  client = undefined;
  await hub.close();
});

async function begin(...more: string[]): Promise<Client> {
  await client?.stop();
  client = new PythonClient<Event>("client.py", [hub.url, file, "--hostname", "lab1", ...more]);
  return client;
}

const taken = (configVersion: number, gpus: readonly number[]) => ({
  ...{ event: "report", status: 200, answer: { ok: true, configVersion }, gpus },
});
const registered = { event: "register", status: 200, keys: ["message", "nodeId", "status", "token"], error: null };

describe.skipIf(!existsSync(python))("a client in Python (python3)", () => {
  test.each(["first", "newest"])(
    "of the %s release registers, waits, reports, is configured, reset and deleted",
    async (release) => {
      const one = await begin("--release", release);
      expect(await one.next()).toEqual(registered);
      expect(await one.next()).toEqual({ event: "config", status: 200, config: {} });
      expect(await one.does("go")).toEqual(taken(0, [0, 1]));
      expect(hub.node("lab1").state).toBe("waiting");
      const info = hub.live.host("lab1")?.info;
      expect(info?.gpus.map(({ id, temp, power, utilization }) => [id, temp, power, utilization])).toEqual([
        [0, undefined, 62_000, 0],
        [1, undefined, 62_000, 0],
      ]);
      expect(info?.nics.map(({ name }) => name)).toEqual(release === "first" ? ["total"] : ["eth0", "ib0"]);

      await hub.approve("lab1");
      await hub.configure("lab1", { gpuIndices: [1], reportIntervalSec: 7 });
      const config = { gpuIndices: [1], diskMounts: null, nicNames: null, reportIntervalSec: 7 };
      expect(await one.does("go")).toEqual(taken(1, [0, 1]));
      if (release === "first") {
        for (let i = 3; i < 60; i++) expect(await one.does("go")).toEqual(taken(1, [0, 1]));
        expect(await one.does("go")).toEqual(taken(1, [0, 1]));
      }
      expect(await one.next()).toEqual({ event: "config", status: 200, config });
      expect(await one.does("go")).toEqual(taken(1, [1]));

      await hub.reset("lab1");
      expect(await one.does("go")).toMatchObject({
        event: "report",
        status: 401,
        answer: { error: expect.any(String) },
      });
      expect(await one.ended()).toBe(1);

      // With the file of the old token it cannot go on; without it, it registers once more.
      const two = await begin("--release", release);
      expect(await two.next()).toEqual({ event: "known" });
      expect(await two.next()).toMatchObject({ event: "config", status: 401 });
      expect(await two.ended()).toBe(1);
      rmSync(file);
      const three = await begin("--release", release);
      expect(await three.next()).toEqual(registered);
      expect(await three.next()).toEqual({ event: "config", status: 200, config });
      expect(hub.node("lab1").state).toBe("approved");
      expect(await three.does("go")).toEqual(taken(1, [1]));

      rmSync(file);
      const four = await begin("--release", release);
      expect(await four.next()).toMatchObject({ event: "register", status: 409, keys: ["error", "status"] });
      expect(await four.ended()).toBe(1);
      await hub.remove("lab1");
      const five = await begin("--release", release);
      expect(await five.next()).toEqual(registered);
      expect(await five.next()).toMatchObject({ event: "config", status: 200 });
      await hub.remove("lab1");
      expect(await five.does("go")).toMatchObject({ status: 401 });
      expect(await five.ended()).toBe(1);
      expect(hub.live.host("lab1")).toBeUndefined();
    },
  );

  test("is in live state and in history", async () => {
    const one = await begin();
    await one.next();
    await one.next();
    await one.does("go");
    const known = await hub.view.history.known({ host: "lab1" });
    expect(known.map(({ level, key }) => `${level} ${key}`).sort()).toEqual(
      ["disk /", "gpu #0", "gpu #1", "host ", "nic eth0", "nic ib0"].sort(),
    );
  });
});
