// Structs of NVML as they lie in memory on 64-bit Linux, which is the same on x86-64 and arm64.
// Source: nvml.h and https://docs.nvidia.com/deploy/nvml-api/.

/** NVML_VALUE_NOT_AVAILABLE as unsigned numbers: the driver has a place for the value, but no value. */
const none32 = 0xffff_ffff;
const none64 = 0xffff_ffff_ffff_ffffn;

/** A 32-bit value, or undefined where the driver says that it has none. */
export function value32(buffer: Buffer, at: number): number | undefined {
  const value = buffer.readUInt32LE(at);
  return value === none32 ? undefined : value;
}

/** The same of 64 bits; some drivers fill only the lower half with ones. */
export function value64(buffer: Buffer, at: number): bigint | undefined {
  const value = buffer.readBigUInt64LE(at);
  return value === none64 || value === BigInt(none32) ? undefined : value;
}

/** A C string in a buffer that need not end with a NUL. */
export function text(buffer: Buffer): string {
  const end = buffer.indexOf(0);
  return buffer.toString("utf8", 0, end < 0 ? buffer.length : end);
}

/** NVML_STRUCT_VERSION: the size of a struct and its version, which a versioned call wants in the first word. */
const versionWord = (size: number, version: number): number => size | (version << 24);

/** Bytes of device memory. total = used + free; what the driver reserves counts as used. */
export interface Memory {
  readonly total: bigint;
  readonly free: bigint;
  /** Part of the used memory that the driver and the firmware keep for themselves; version 2 only. */
  readonly reserved: bigint | undefined;
}

/** nvmlMemory_t: total, free, used. */
export const memory1 = {
  size: 24,
  read: (b: Buffer): Memory | undefined => sound({ total: value64(b, 0), free: value64(b, 8), reserved: undefined }),
};

/** nvmlMemory_v2_t: version, total, reserved, free, used. */
export const memory2 = {
  size: 40,
  prepare: (b: Buffer): void => void b.writeUInt32LE(versionWord(40, 2), 0),
  read: (b: Buffer): Memory | undefined =>
    sound({ total: value64(b, 8), reserved: value64(b, 16), free: value64(b, 24) }),
};

/** Memory whose parts do not fit its total, or beyond what any device has, is garbage. */
function sound(values: { readonly [K in keyof Memory]: Memory[K] | undefined }): Memory | undefined {
  const { total, free, reserved } = values;
  if (total === undefined || free === undefined || free > total || total >= mostMemory) return undefined;
  return { total, free, reserved: reserved !== undefined && reserved <= total ? reserved : undefined };
}

/** Percent of the last sample period. */
export interface Utilization {
  readonly gpu: number;
  readonly memory: number;
}

/** nvmlUtilization_t. */
export const utilization = {
  size: 8,
  read: (b: Buffer): Utilization => ({ gpu: b.readUInt32LE(0), memory: b.readUInt32LE(4) }),
};

export interface Pci {
  readonly domain: number;
  readonly bus: number;
  readonly device: number;
  /** Device and vendor, 16 bits each. */
  readonly id: number;
  readonly subsystem: number;
}

/** nvmlPciInfo_t and its older form (52 bytes), which share their beginning. */
export const pci = {
  size: 68,
  /** Undefined where that cannot be a place: a bus has 8 bits, a device on it 5. */
  read: (b: Buffer): Pci | undefined => {
    const [domain = 0, bus = 0, device = 0, id = 0, subsystem = 0] = [16, 20, 24, 28, 32].map((at) =>
      b.readUInt32LE(at),
    );
    return domain < none32 && bus < 0x100 && device < 0x20 ? { domain, bus, device, id, subsystem } : undefined;
  },
};

/** nvmlTemperature_v1_t: version, sensor (0 is the die), degrees. */
export const temperature = {
  size: 12,
  prepare: (b: Buffer): void => {
    b.writeUInt32LE(versionWord(12, 1), 0);
    b.writeUInt32LE(0, 4);
  },
  read: (b: Buffer): number => b.readInt32LE(8),
};

/** Rows of memory that were replaced by spare ones, and whether one waits for a reset or could not be replaced. */
export interface RemappedRows {
  readonly correctable: number;
  readonly uncorrectable: number;
  readonly pending: boolean;
  readonly failed: boolean;
}

/** The four results of nvmlDeviceGetRemappedRows. */
export const remappedRows = {
  size: 16,
  parts: 4,
  /** Undefined where one of them is not available. */
  read: (b: Buffer): RemappedRows | undefined => {
    const [correctable, uncorrectable, pending, failed] = [0, 4, 8, 12].map((at) => value32(b, at));
    if (correctable === undefined || uncorrectable === undefined) return undefined;
    if (pending === undefined || failed === undefined) return undefined;
    return { correctable, uncorrectable, pending: pending !== 0, failed: failed !== 0 };
  },
};

/** nvmlFieldValue_t: id, scope, time, latency, type of the value, return code, value. */
export const fieldSize = 40;

/** Writes what is asked for. */
export function askField(buffer: Buffer, at: number, { id, scope = 0 }: { id: number; scope?: number }): void {
  buffer.fill(0, at, at + fieldSize);
  buffer.writeUInt32LE(id, at);
  buffer.writeUInt32LE(scope, at + 4);
}

/** The answer for one field; its value is undefined where the return code is not 0. */
export function field(buffer: Buffer, at: number): { result: number; type: number; value: bigint | undefined } {
  const type = buffer.readUInt32LE(at + 24);
  const result = buffer.readUInt32LE(at + 28);
  return { result, type, value: result === 0 ? fieldValue(buffer, at + 32, type) : undefined };
}

/** nvmlValue_t by nvmlValueType_t; fractions are of no field in use, and rounded. */
function fieldValue(buffer: Buffer, at: number, type: number): bigint | undefined {
  switch (type) {
    case 0: {
      const value = buffer.readDoubleLE(at);
      return Number.isFinite(value) ? BigInt(Math.round(value)) : undefined;
    }
    case 1: {
      const value = value32(buffer, at);
      return value === undefined ? undefined : BigInt(value);
    }
    case 2:
    case 3:
      return value64(buffer, at);
    case 4:
      return buffer.readBigInt64LE(at);
    case 5:
      return BigInt(buffer.readInt32LE(at));
    case 6:
      return BigInt(buffer.readUInt16LE(at));
    default:
      return undefined;
  }
}

/** multiprocessorCount of nvmlDeviceAttributes_t; other calls return the rest (eight counts, then memorySizeMB). */
export const attributes = { size: 40, read: (b: Buffer): number | undefined => value32(b, 0) };

/** Which instance of a divided device. */
export interface InstanceIds {
  readonly gpu: number;
  readonly compute: number;
}

/** One process on one device. */
export interface Process {
  readonly pid: number;
  readonly memory: bigint | undefined;
  /** Undefined if the device is not divided, and from drivers that do not report it. */
  readonly instance?: InstanceIds | undefined;
}

/** 64 TiB, more than any device has: such a value is garbage, or says that there is none. Sums of them still fit 64 bits. */
const mostMemory = 1n << 46n;

function memory(buffer: Buffer, at: number): bigint | undefined {
  const value = buffer.readBigUInt64LE(at);
  return value < mostMemory ? value : undefined;
}

/** nvmlProcessInfo_v1_t, _v2_t, and the one with usedGpuCcProtectedMemory. */
export const strides = [16, 24, 32] as const;
export const widest = 32;

/** What a process list is filled with before a call, to see afterwards how far the driver wrote. */
export const pattern = 0xa5;

/**
 * Distance between two entries of a process list. The symbol does not fix it: `…RunningProcesses_v3` of the drivers
 * 535.43 to 535.86 writes entries of 32 bytes, that of later ones 24. So it is inferred from how far `count` entries reach.
 * @returns Undefined when no known stride fits.
 */
function stride(buffer: Buffer, count: number): number | undefined {
  let reach = Math.min(buffer.length, (count + 1) * widest);
  while (reach > 0 && buffer[reach - 1] === pattern) reach--;
  // The last entry, too, must have been written at least as far as into its memory.
  return strides.find((step) => reach <= count * step && reach > (count - 1) * step + 8);
}

/** @returns Undefined when the buffer does not hold `count` entries of a known form. */
export function processes(buffer: Buffer, count: number): Process[] | undefined {
  if (count === 0) return [];
  const step = stride(buffer, count);
  if (step === undefined || count * step > buffer.length) return undefined;
  return Array.from({ length: count }, (_, i) => ({
    pid: buffer.readUInt32LE(i * step),
    memory: memory(buffer, i * step + 8),
    instance: step < 24 ? undefined : instanceIds(buffer, i * step + 16),
  }));
}

function instanceIds(buffer: Buffer, at: number): InstanceIds | undefined {
  const [gpu, compute] = [value32(buffer, at), value32(buffer, at + 4)];
  return gpu === undefined || compute === undefined ? undefined : { gpu, compute };
}

/** What one process did in one sample period. */
export interface ProcessSample {
  readonly pid: number;
  /** Microseconds since 1970 on this machine's clock. */
  readonly time: bigint;
  /** Percent. */
  readonly sm: number;
  readonly memory: number;
  readonly encoder: number;
  readonly decoder: number;
}

/** nvmlProcessUtilizationSample_t. */
export const sampleSize = 32;

export function samples(buffer: Buffer, count: number): ProcessSample[] {
  return Array.from({ length: Math.min(count, Math.floor(buffer.length / sampleSize)) }, (_, i) => {
    const at = i * sampleSize;
    return {
      pid: buffer.readUInt32LE(at),
      time: buffer.readBigUInt64LE(at + 8),
      sm: buffer.readUInt32LE(at + 16),
      memory: buffer.readUInt32LE(at + 20),
      encoder: buffer.readUInt32LE(at + 24),
      decoder: buffer.readUInt32LE(at + 28),
    };
  });
}

/** nvmlEventData_t: device, type, data (the Xid code), GPU instance, compute instance. */
export const eventSize = 32;

export const event = (b: Buffer): { device: bigint; type: bigint; data: number } => ({
  device: b.readBigUInt64LE(0),
  type: b.readBigUInt64LE(8),
  data: Number(b.readBigUInt64LE(16)),
});
