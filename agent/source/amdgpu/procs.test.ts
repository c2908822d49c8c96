import fc from "fast-check";
import { expect, test } from "vitest";
import type { DrmClient } from "../../machine/drm/clients.ts";
import { parseFdInfo } from "../../machine/drm/fdinfo.ts";
import type { Hold } from "./kfd.ts";
import { procsApart, procsOf } from "./procs.ts";

const mib = 1024 ** 2;
const gib = 1024 ** 3;

/** A program that has the card open, with so much memory there and in the host. */
function client(pid: number, { vram, gtt, work = 9 }: { vram?: string; gtt?: string; work?: number }): DrmClient {
  const text = [
    "drm-driver:\tamdgpu",
    `drm-client-id:\t${pid}`,
    "drm-pdev:\t0000:c5:00.0",
    ...(vram === undefined ? [] : [`drm-memory-vram:\t${vram}`]),
    ...(gtt === undefined ? [] : [`drm-memory-gtt: \t${gtt}`]),
    `drm-engine-compute:\t${work} ns`,
  ].join("\n");
  const info = parseFdInfo(text);
  if (info === undefined) throw new Error("the test's own text is no fdinfo");
  return { pid, node: "renderD128", info };
}

const none: ReadonlyMap<number, Hold> = new Map();
const holding = (pid: number, memory: number): ReadonlyMap<number, Hold> => new Map([[pid, { memory, queue: true }]]);

test("a program's memory of the host is told beside its memory of the card", () => {
  const clients = [client(4242, { vram: "20480 KiB", gtt: "62914560 KiB" })];
  expect(procsOf({ clients, holds: none, since: undefined, setAside: 512 * mib })).toMatchObject([
    { pid: 4242, mem: BigInt(20 * mib), hostMem: BigInt(60 * gib) },
  ]);
});

test("of several openings by one program the sums are told", () => {
  const clients = [client(7, { vram: "1 MiB", gtt: "2 MiB" }), client(7, { vram: "3 MiB", gtt: "4 MiB" })];
  expect(procsOf({ clients, holds: none, since: undefined })).toMatchObject([
    { mem: BigInt(4 * mib), hostMem: BigInt(6 * mib) },
  ]);
});

test("memory that the driver does not tell of is not known rather than 0", () => {
  const [proc] = procsOf({ clients: [client(7, { vram: "1 MiB" })], holds: none, since: undefined });
  expect(proc).toMatchObject({ mem: BigInt(mib) });
  expect(proc?.hostMem).toBeUndefined();
  const [other] = procsOf({ clients: [client(7, { gtt: "1 MiB" })], holds: none, since: undefined });
  expect(other?.mem).toBeUndefined();
});

test("on a processor with graphics inside, a ROCm program's memory is not told twice: it lies in the host", () => {
  const clients = [client(9, { vram: "20 MiB", gtt: "60 GiB" })];
  const known = { clients, holds: holding(9, 60 * gib), since: undefined };
  expect(procsOf({ ...known, setAside: 512 * mib })).toMatchObject([
    { mem: BigInt(20 * mib), hostMem: BigInt(60 * gib) },
  ]);
  // On a card, what the KFD tells is the card's.
  expect(procsOf(known)).toMatchObject([{ mem: BigInt(60 * gib), hostMem: BigInt(60 * gib) }]);
});

test("of another user's ROCm program, what is more than there is set aside lies in the host", () => {
  const told = (memory: number) =>
    procsOf({ clients: [], holds: holding(9, memory), since: undefined, setAside: 512 * mib })[0];
  expect(told(60 * gib)).toMatchObject({ hostMem: BigInt(60 * gib) });
  expect(told(60 * gib)?.mem).toBeUndefined();
  expect(told(100 * mib)).toMatchObject({ mem: BigInt(100 * mib) });
});

test("on a processor with graphics inside, those who have most come first, wherever it lies", () => {
  const clients = [client(1, { vram: "30 MiB", gtt: "0" }), client(2, { vram: "1 MiB", gtt: "60 GiB" })];
  expect(procsOf({ clients, holds: none, since: undefined, setAside: gib }).map(({ pid }) => pid)).toEqual([2, 1]);
  expect(procsOf({ clients, holds: none, since: undefined }).map(({ pid }) => pid)).toEqual([1, 2]);
});

test("in a container with processes of its own the host's are told by the same rule", () => {
  expect(procsApart({ clients: [], holds: holding(9, 60 * gib), since: undefined, setAside: gib })).toMatchObject([
    { pid: 9, elsewhere: true, hostMem: BigInt(60 * gib) },
  ]);
});

test("whatever amounts a driver writes, those told are whole and below 2^53", () => {
  const amount = fc.bigInt({ min: 0n, max: 10n ** 19n }).map(String);
  fc.assert(
    fc.property(amount, amount, fc.constantFrom("", " KiB", " MiB", " GiB"), (vram, gtt, unit) => {
      const clients = [client(1, { vram: vram + unit, gtt: gtt + unit })];
      for (const { mem = 0n, hostMem = 0n } of procsOf({ clients, holds: none, since: undefined }))
        expect([mem, hostMem].every((bytes) => bytes >= 0n && bytes < 2n ** 53n)).toBe(true);
    }),
  );
});
