import { expect, test } from "vitest";
import { type Field, linkReceived, linkSent } from "./field.ts";
import { Nvml } from "./library.ts";
import { Links } from "./nvlink.ts";

const device = { index: 0, handle: 1n };

/** What is told of counts of KiB that are read ten seconds apart. */
function told(...counts: (readonly [received: bigint, sent: bigint] | undefined)[]) {
  const links = new Links(new Nvml({ find: () => undefined, findText: () => undefined }));
  return counts
    .map((pair, i) => {
      const fields =
        pair &&
        new Map<Field, bigint>([
          [linkReceived, pair[0]],
          [linkSent, pair[1]],
        ]);
      return links.traffic(device, fields, i * 10_000);
    })
    .at(-1);
}

test("a rate is bytes per second of each direction, from the reading before", () => {
  expect(told([0n, 50n], [100n, 50n])).toEqual({ rxTotal: 100n, txTotal: 50n, rxRate: 10_240n, txRate: 0n });
  expect(told([0n, 0n], [7n, 7n], [107n, 17n])).toMatchObject({ rxRate: 10_240n, txRate: 1024n });
});

test.each([
  ["one that the driver does not tell", [undefined]],
  ["one with a sign", [[-5n, 7n] as const]],
  ["one that is lost between two readings", [[1n, 1n] as const, undefined]],
])("a count is left out where it is %s", (_, counts) => {
  expect(told(...counts)).toEqual({});
});

test("one direction whose count went back takes no rate from the other", () => {
  expect(told([500n, 0n], [5n, 100n])).toEqual({ rxTotal: 5n, txTotal: 100n, txRate: 10_240n });
});
