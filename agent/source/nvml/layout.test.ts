import fc from "fast-check";
import { expect, test } from "vitest";
import {
  askField,
  field,
  fieldSize,
  memory1,
  memory2,
  pattern,
  processes,
  remappedRows,
  samples,
  strides,
  text,
  value64,
  widest,
} from "./layout.ts";

/** A process list as a driver leaves it: entries of `step` bytes in a buffer that was filled with the pattern. */
function list(step: number, entries: readonly { pid: number; memory: bigint }[], room = entries.length + 16): Buffer {
  const buffer = Buffer.alloc(room * widest, pattern);
  for (const [i, { pid, memory }] of entries.entries()) {
    const at = i * step;
    buffer.writeUInt32LE(pid, at);
    buffer.writeUInt32LE(0, at + 4);
    buffer.writeBigUInt64LE(memory, at + 8);
    if (step >= 24) buffer.writeBigUInt64LE(0xffff_ffff_ffff_ffffn, at + 16);
    if (step >= 32) buffer.writeBigUInt64LE(0n, at + 24);
  }
  return buffer;
}

const entry = fc.record({
  pid: fc.integer({ min: 1, max: 4_194_304 }),
  memory: fc.bigInt({ min: 0n, max: (1n << 46n) - 1n }),
});

test("a process list is read whatever the distance of its entries", () => {
  fc.assert(
    fc.property(fc.constantFrom(...strides), fc.array(entry, { minLength: 1, maxLength: 60 }), (step, entries) => {
      expect(processes(list(step, entries), entries.length)).toEqual(entries);
    }),
  );
});

test("a process tells its instance of a divided device, where the struct has a place for it", () => {
  const buffer = list(24, [
    { pid: 5, memory: 1n },
    { pid: 6, memory: 1n },
  ]);
  buffer.writeUInt32LE(9, 24 + 16);
  buffer.writeUInt32LE(0, 24 + 20);
  expect(processes(buffer, 2)?.map(({ instance }) => instance)).toEqual([undefined, { gpu: 9, compute: 0 }]);
  expect(processes(list(16, [{ pid: 5, memory: 1n }]), 1)?.[0]?.instance).toBeUndefined();
});

test("a list without entries is empty, not unreadable", () => {
  expect(processes(list(24, []), 0)).toEqual([]);
});

test("a list that reaches further than its entries can is refused", () => {
  const buffer = Buffer.alloc(10 * widest, 1);
  expect(processes(buffer, 2)).toBeUndefined();
});

test("a list that was not written as far as its entries is refused", () => {
  expect(processes(Buffer.alloc(10 * widest, pattern), 1)).toBeUndefined();
  expect(processes(list(24, [{ pid: 7, memory: 1n }]), 3)).toBeUndefined();
});

test("memory that the driver does not know of a process is absent", () => {
  expect(processes(list(24, [{ pid: 7, memory: 0xffff_ffff_ffff_ffffn }]), 1)).toEqual([{ pid: 7, memory: undefined }]);
});

test("a 64-bit value that is not available is absent, the largest other one is not", () => {
  const buffer = Buffer.alloc(8, 0xff);
  expect(value64(buffer, 0)).toBeUndefined();
  buffer[0] = 0xfe;
  expect(value64(buffer, 0)).toBe(0xffff_ffff_ffff_fffen);
});

test("a text without its NUL ends with the buffer", () => {
  expect(text(Buffer.from("NVIDIA\0garbage"))).toBe("NVIDIA");
  expect(text(Buffer.from("NVIDIA"))).toBe("NVIDIA");
});

test("both versions of the memory struct tell the same total and free memory", () => {
  const first = Buffer.alloc(memory1.size);
  for (const [i, value] of [100n, 30n, 70n].entries()) first.writeBigUInt64LE(value, i * 8);
  const second = Buffer.alloc(memory2.size);
  memory2.prepare(second);
  for (const [i, value] of [100n, 20n, 30n, 50n].entries()) second.writeBigUInt64LE(value, 8 + i * 8);
  expect(memory1.read(first)).toEqual({ total: 100n, free: 30n, reserved: undefined });
  expect(memory2.read(second)).toEqual({ total: 100n, free: 30n, reserved: 20n });
  // As nvml.h computes it: the size, and 2 in the highest byte.
  expect(second.readUInt32LE(0)).toBe(33_554_472);
});

test("a driver that claims more samples than there is room for is read as far as the room", () => {
  expect(samples(Buffer.alloc(64), 4_000_000_000)).toHaveLength(2);
});

test.each([
  ["a fraction", 0, (b: Buffer) => b.writeDoubleLE(71.6, 32), 72n],
  ["no number", 0, (b: Buffer) => b.writeDoubleLE(Number.NaN, 32), undefined],
  ["32 bits", 1, (b: Buffer) => b.writeUInt32LE(0xffff_fffe, 32), 0xffff_fffen],
  ["64 bits", 3, (b: Buffer) => b.writeBigUInt64LE(1n << 40n, 32), 1n << 40n],
  ["64 bits that say there is no value", 3, (b: Buffer) => b.writeBigUInt64LE((1n << 64n) - 1n, 32), undefined],
  ["64 bits with a sign", 4, (b: Buffer) => b.writeBigInt64LE(-5n, 32), -5n],
  ["32 bits with a sign", 5, (b: Buffer) => b.writeInt32LE(-5, 32), -5n],
  ["16 bits", 6, (b: Buffer) => b.writeUInt16LE(65_000, 32), 65_000n],
  ["a type that NVIDIA invents later", 99, (b: Buffer) => b.writeUInt32LE(1, 32), undefined],
])("a field's value is read by its type: %s", (_, type, write, value) => {
  const buffer = Buffer.alloc(2 * fieldSize, pattern);
  askField(buffer, fieldSize, { id: 82, scope: 5 });
  expect([buffer.readUInt32LE(fieldSize), buffer.readUInt32LE(fieldSize + 4)]).toEqual([82, 5]);
  const answer = buffer.subarray(fieldSize);
  answer.writeUInt32LE(type, 24);
  // What stands beyond a narrow value is not part of it.
  answer.fill(pattern, 32);
  write(answer);
  expect(field(buffer, fieldSize)).toEqual({ result: 0, type, value });
});

test("a field that failed has no value, whatever stands in its place", () => {
  const buffer = Buffer.alloc(fieldSize);
  buffer.writeUInt32LE(3, 28);
  buffer.writeUInt32LE(1, 24);
  buffer.writeUInt32LE(71, 32);
  expect(field(buffer, 0)).toEqual({ result: 3, type: 1, value: undefined });
});

test("remapped rows are two counts and two marks", () => {
  const buffer = Buffer.alloc(16);
  [7, 2, 1, 0].forEach((value, i) => void buffer.writeUInt32LE(value, i * 4));
  expect(remappedRows.read(buffer)).toEqual({ correctable: 7, uncorrectable: 2, pending: true, failed: false });
});
