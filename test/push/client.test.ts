// A client in Python that knows the Lab Portal's interface alone, from its registration to its end.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type LocalHub, localHub } from "../local.ts";
import { top } from "../program.ts";

const python = "/usr/bin/python3";

type Event = Readonly<Record<string, unknown>>;

/** A running client: each call of `next` returns what it tells next; `go` lets it send a report. */
class Client {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #events: AsyncIterator<string>;
  #errors = "";

  constructor(args: readonly string[]) {
    this.#child = spawn(python, [join(top, "test/push/client.py"), ...args], { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr.setEncoding("utf8").on("data", (piece: string) => {
      this.#errors += piece;
    });
    this.#child.stdin.on("error", () => {}); // it has ended
    this.#events = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async next(): Promise<Event> {
    const { value, done } = await this.#events.next();
    if (done) throw new Error(`the client has ended: ${this.#errors}`);
    return JSON.parse(value) as Event;
  }

  report(): Promise<Event> {
    this.#child.stdin.write("go\n");
    return this.next();
  }

  /** Waits for its end. @returns its exit status */
  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null) await once(this.#child, "close");
    return this.#child.exitCode;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    await closed;
  }
}

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
  client = new Client([hub.url, file, "--hostname", "lab1", ...more]);
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
      expect(await one.report()).toEqual(taken(0, [0, 1]));
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
      expect(await one.report()).toEqual(taken(1, [0, 1]));
      if (release === "first") {
        for (let i = 3; i < 60; i++) expect(await one.report()).toEqual(taken(1, [0, 1]));
        expect(await one.report()).toEqual(taken(1, [0, 1]));
      }
      expect(await one.next()).toEqual({ event: "config", status: 200, config });
      expect(await one.report()).toEqual(taken(1, [1]));

      await hub.reset("lab1");
      expect(await one.report()).toMatchObject({ event: "report", status: 401, answer: { error: expect.any(String) } });
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
      expect(await three.report()).toEqual(taken(1, [1]));

      rmSync(file);
      const four = await begin("--release", release);
      expect(await four.next()).toMatchObject({ event: "register", status: 409, keys: ["error", "status"] });
      expect(await four.ended()).toBe(1);
      await hub.remove("lab1");
      const five = await begin("--release", release);
      expect(await five.next()).toEqual(registered);
      expect(await five.next()).toMatchObject({ event: "config", status: 200 });
      await hub.remove("lab1");
      expect(await five.report()).toMatchObject({ status: 401 });
      expect(await five.ended()).toBe(1);
      expect(hub.live.host("lab1")).toBeUndefined();
    },
  );

  test("is in live state and in history", async () => {
    const one = await begin();
    await one.next();
    await one.next();
    await one.report();
    const known = await hub.view.history.known({ host: "lab1" });
    expect(known.map(({ level, key }) => `${level} ${key}`).sort()).toEqual(
      ["disk /", "gpu #0", "gpu #1", "host ", "nic eth0", "nic ib0"].sort(),
    );
  });
});
