import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { HostInfoSchema } from "../../../proto/gen/host_pb.js";
import type { SharedLibrary } from "./koffi.ts";
import { Nvml, NvmlError } from "./library.ts";
import { GpuReader } from "./reader.ts";

/** A driver that writes any bytes into what it is given, and returns any code. */
function anyDriver(bytes: Uint8Array, codes: readonly number[], devices: number): SharedLibrary {
  let at = 0;
  let call = 0;
  const next = (): number => bytes[at++ % bytes.length] ?? 0;
  const found =
    (symbol: string) =>
    (...args: (number | bigint | Buffer | null)[]): number => {
      if (symbol.startsWith("nvmlInit")) return 0;
      for (const arg of args) if (Buffer.isBuffer(arg)) for (let i = 0; i < arg.length; i++) arg[i] = next();
      const [first] = args;
      if (symbol.startsWith("nvmlDeviceGetCount") && Buffer.isBuffer(first)) {
        first.writeUInt32LE(devices, 0);
        return 0;
      }
      return codes[call++ % codes.length] ?? 0;
    };
  return { find: found, findText: () => () => "an error" };
}

test("whatever a driver writes and returns, a reading can be sent on and holds nothing impossible, or is an NVML error", () => {
  const code = fc.constantFrom(0, 0, 0, 1, 2, 3, 4, 6, 7, 9, 10, 13, 15, 16, 18, 25, 999, -1);
  const property = fc.property(
    fc.uint8Array({ minLength: 1, maxLength: 300 }),
    fc.array(code, { minLength: 1, maxLength: 40 }),
    fc.nat(4),
    (bytes, codes, devices) => {
      try {
        const nvml = new Nvml(anyDriver(bytes, codes, devices));
        let ticks = 0;
        const wait = (ms: number): void => {
          ticks += ms;
        };
        const reader = new GpuReader(nvml, { now: () => 1_700_000_000_000, ticks: () => ticks, wait });
        // Rates are told from the third reading on.
        for (let i = 0; i < 2; i++) {
          reader.read();
          wait(10_000);
        }
        const reading = reader.read();
        toBinary(HostInfoSchema, create(HostInfoSchema, reading));
        expect(reading.gpus).toHaveLength(devices);
        for (const gpu of reading.gpus) {
          expect(gpu.utilization ?? 0).toBeLessThanOrEqual(100);
          expect(gpu.memUsed ?? 0n).toBeLessThanOrEqual(gpu.memTotal ?? 0n);
          for (const proc of gpu.procs ?? []) expect(proc.utilization ?? 0).toBeLessThanOrEqual(100);
        }
      } catch (error) {
        if (!(error instanceof NvmlError)) throw error;
      }
    },
  );
  fc.assert(property, { numRuns: 500 });
}, 60_000);
