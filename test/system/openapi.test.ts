// A client in Python that knows the hub only by /openapi.json, against the real hub with a machine.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { addAdministrator } from "../door.ts";
import { machine, type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { start, top } from "../program.ts";
import { writeFiles } from "../report/written.ts";

const python = "/usr/bin/python3";
const able = existsSync("/usr/lib/python3/dist-packages/jsonschema");

interface Asked {
  readonly calls: readonly {
    readonly operation: string;
    readonly needs: string;
    /** The media type that was asked for, or which parameters were given. */
    readonly what: string;
    readonly status: number;
  }[];
  readonly problems: readonly string[];
}

describe.skipIf(!able)("a Python client made of the document (python3-jsonschema)", () => {
  let at: HubFolder;
  let node: PlayedHost;
  let hub: RunningHub;

  beforeAll(async () => {
    at = hubFolder();
    // The names of the document's examples.
    node = await playHost(() => {
      const made = create(HostInfoSchema, machine(Date.now()));
      for (const gpu of made.gpus.slice(0, 1)) gpu.uuid = "GPU-5f0c8c1e";
      return made;
    });
    const card = { card: 1, rows: [[1_754_007_000, 7, 9]] as const, user: "alice" };
    writeFiles(join(at.data, "reports"), {
      ...{ node: "colab-gpu1", date: "2025-08-01", format: () => "2025-08-01 00:10:00" },
      cards: Array.from({ length: 8 }, () => card),
    });
    at.write({ servers: { gpu1: node.address }, poll: { interval: 1 } });
    await addAdministrator(at, "alice", "correct horse battery");
    hub = await startHub(at);
  });

  afterAll(async () => {
    await hub?.stop();
    node?.close();
    at?.remove();
  });

  test("gets what the document says from every operation that reads, in every media type", async () => {
    const token = start("gohm.mjs", ["token", "create", "reader", "--scope", "admin", "--json"], {
      GOHM_SETTINGS: at.settings,
      GOHM_DATA: at.data,
    });
    const [, secret = ""] = await token.line(/"secret":\s*"([^"]+)"/);
    const history = `${hub.url}/api/history?host=gpu1&metric=gpu_utilization`;
    await vi.waitFor(async () => expect(await (await fetch(history)).text()).toContain('"t":[1'), 30_000);
    const { stdout } = await promisify(execFile)(python, [join(top, "test/system/openapi.py"), hub.url, secret], {
      timeout: 50_000,
    });
    const { calls, problems } = JSON.parse(stdout) as Asked;
    expect(problems).toEqual([]);
    // With what must be given, each operation has an answer; those of machines are for their own tokens, and one's own
    // sessions are those of a cookie.
    const refused = calls.filter(
      ({ operation, needs, what, status }) =>
        needs !== "node" && operation !== "sessions" && what !== "all parameters" && status >= 400,
    );
    expect(refused).toEqual([]);
    const { paths } = (await (await fetch(`${hub.url}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, { readonly operationId: string; readonly "x-needs": string }>>;
    };
    const reads = Object.values(paths)
      .flatMap((operations) => Object.entries(operations))
      .filter(([method, one]) => method === "get" || one["x-needs"] === "read");
    expect(reads.length).toBeGreaterThan(15);
    expect([...new Set(calls.map(({ operation }) => operation))].sort()).toEqual(
      reads.map(([, { operationId }]) => operationId).sort(),
    );
  });
});
