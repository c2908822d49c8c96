import { create } from "@bufbuild/protobuf";
import { beforeEach, expect, test, vi } from "vitest";
import { Zone } from "../../../program/zone.ts";
import { HostInfoSchema } from "../../../proto/gen/host_pb.js";
import { Model } from "../../../test/model.ts";
import { heading } from "../../csv/form.ts";
import { Ingest, type Owner } from "../../ingest.ts";
import { Live } from "../../live.ts";
import { FileImport } from "./file.ts";

const now = Date.UTC(2026, 10, 28);

let history: Model;
let ingest: Ingest;
beforeEach(() => {
  history = new Model();
  ingest = new Ingest({ live: new Live(() => now), history, now: () => now });
});

/** Imports a file that comes in pieces. */
async function imported(pieces: readonly string[], client?: string) {
  const file = new FileImport({ ingest, history, zone: new Zone("UTC"), client, pause: () => {} });
  for (const piece of pieces) await file.add(Buffer.from(piece));
  return file.end();
}

const row = (second: number, host: string): string => `2026-11-27 08:30:0${second},0,,50,,,,,,,,,${host}\r\n`;

test("clients that come later in a file count once, as those of its beginning", async () => {
  const rows = [600, 602, 1001].flatMap((hosts, at) => Array.from({ length: hosts }, (_, i) => row(at, `host${i}`)));
  const { stored, failed, hosts } = await imported([heading + rows.join("")]);
  expect([stored, failed, hosts.length]).toEqual([2202, 1, 1000]);
});

test("a line that is too long is told as such, and the next one is read", async () => {
  const part = "x".repeat(2_000_000);
  const { stored, errors } = await imported([heading, part, part, `\r\n${row(0, "gpu1")}`]);
  expect([stored, errors]).toEqual([1, [{ line: 2, message: "the line is too long" }]]);
});

test("other work has its turn while a line without an end comes in many pieces", async () => {
  // Every look at the clock finds that others have waited for long enough.
  let looks = 0;
  vi.spyOn(performance, "now").mockImplementation(() => 1000 * ++looks);
  try {
    let turns = 0;
    let isOver = false;
    const count = (): void => {
      turns++;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    const { stored } = await imported([
      heading,
      ...Array.from({ length: 40 }, () => "x".repeat(65_536)),
      `\r\n${row(0, "gpu1")}`,
    ]);
    isOver = true;
    expect(stored).toBe(1);
    expect(turns).toBeGreaterThan(39);
  } finally {
    vi.restoreAllMocks();
  }
});

test("a name that is given for a file and that no host can have is told as it is", async () => {
  const { errors } = await imported([heading + row(0, "")], "a/b");
  expect(errors).toEqual([{ line: 2, message: expect.stringContaining('it is "a/b"') }]);
});

test("rows of a client that has become an agent since are not there again under the uuid of its card", async () => {
  const kept = async () => (await history.known()).map(({ key, last }) => [key, new Date(last).toISOString()]);
  await imported([heading + row(1, "gpu1")]);
  const by: Owner = { input: "poll", origin: "settings" };
  ingest.claim("gpu1", by, "127.0.0.1:1");
  const gpus = [{ id: 0, uuid: "GPU-1", utilization: 3 }];
  ingest.received("gpu1", create(HostInfoSchema, { sampled: BigInt(now), gpus }), by, "127.0.0.1");
  const before = await kept();
  expect((await imported([heading + row(1, "gpu1")])).stored).toBe(1);
  expect(await kept()).toEqual(before);
  expect(before.map(([key]) => key)).toEqual(["#0", "GPU-1"]);
  const of = async (key: string): Promise<readonly number[]> => {
    const series = [{ host: "gpu1", level: "gpu", key, metric: "gpu_utilization" }] as const;
    const [columns] = await history.read({ series, range: { from: 0, to: now + 1, step: 0 }, of: ["avg"], most: 9 });
    return [...(columns?.avg ?? [])];
  };
  expect([await of("#0"), await of("GPU-1")]).toEqual([[50], [3]]);
  // What is newer than all of the client's own is of the card.
  await imported([heading + row(2, "gpu1")]);
  expect([await of("#0"), await of("GPU-1")]).toEqual([[50], [50, 3]]);
});
