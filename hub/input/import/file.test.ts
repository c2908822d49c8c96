import { expect, test, vi } from "vitest";
import { Zone } from "../../../program/zone.ts";
import { Model } from "../../../test/model.ts";
import { heading } from "../../csv/form.ts";
import { Ingest } from "../../ingest.ts";
import { Live } from "../../live.ts";
import { FileImport } from "./file.ts";

const now = Date.UTC(2026, 10, 28);

/** Imports a file that comes in pieces. */
async function imported(pieces: readonly string[], client?: string) {
  const history = new Model();
  const ingest = new Ingest({ live: new Live(() => now), history, now: () => now });
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
