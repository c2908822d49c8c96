import { create, type DescMessage } from "@bufbuild/protobuf";
import type { Host } from "./gen/feed_pb.js";
import {
  type CpuInfo,
  type DiskInfo,
  type GPUInfo,
  type Holder,
  type HostInfo,
  HostInfoSchema,
  type MemoryInfo,
  type NicInfo,
  type NvLink,
  type ProcInfo,
  type SourceInfo,
  type SystemInfo,
} from "./gen/host_pb.js";

/**
 * Fields that the page draws of every host at once, and that the feed contains: counters, rates and times that only a host's
 * own page shows change with every answer, and were four fifths of what was sent. That page requests its whole host.
 * To draw another field of every host, name it here; the compiler knows no others.
 */
const drawn = {
  HostInfo: ["hostname", "ip", "err", "gpus", "disks", "cpu", "memory", "nics", "system", "sources"],
  // biome-ignore format: by what they tell
  GPUInfo: [
    "id", "name", "uuid", "vendor", "vendorIndex", "parent", "divided", "integrated", "asleep", "procs", "procsUnknown", "holders",
    "utilization", "utilizationExact", "memUsed", "memTotal", "memReserved", "memoryShared", "temp", "fanspeed", "power", "powerLimit",
    "state", "err", "throttle", "eccUncorrected", "xidCount", "xidLast", "xidTime", "xidWorst", "xidWorstTime", "xidAction",
    "nvlink",
  ],
  NvLink: ["linksUp", "linksExpected"],
  Holder: ["namespace", "pod"],
  ProcInfo: ["uid", "username", "basename", "utilization", "mem", "compute", "graphics", "podName"],
  CpuInfo: ["busy", "threads"],
  MemoryInfo: ["used", "total"],
  DiskInfo: ["device", "mount", "used", "total", "readOnly", "state"],
  NicInfo: ["rxRate", "txRate", "lower"],
  SystemInfo: ["os", "osVersion", "driverVersion", "uptime", "load1"],
  SourceInfo: ["name", "state", "err"],
} as const;

type Drawn = typeof drawn;
type Of<Message, Name extends keyof Drawn> = Pick<Message, Drawn[Name][number] & keyof Message>;
/** A message whose parts are glances themselves. */
type With<Message, Parts> = Omit<Message, keyof Parts> & Parts;

export type HolderGlance = Of<Holder, "Holder">;
export type ProcGlance = Of<ProcInfo, "ProcInfo">;
export type DiskGlance = Of<DiskInfo, "DiskInfo">;
export type GPUGlance = With<
  Of<GPUInfo, "GPUInfo">,
  { procs: ProcGlance[]; holders: HolderGlance[]; nvlink?: Of<NvLink, "NvLink"> | undefined }
>;
/** One answer of a host in the feed. */
export type Glance = With<
  Of<HostInfo, "HostInfo">,
  {
    gpus: GPUGlance[];
    disks: DiskGlance[];
    nics: Of<NicInfo, "NicInfo">[];
    sources: Of<SourceInfo, "SourceInfo">[];
    cpu?: Of<CpuInfo, "CpuInfo"> | undefined;
    memory?: Of<MemoryInfo, "MemoryInfo"> | undefined;
    system?: Of<SystemInfo, "SystemInfo"> | undefined;
  }
>;
/** A host in the feed. */
export type HostGlance = With<Host, { info?: Glance | undefined }>;

/** Rounds numbers as the page writes them: invisible digits would make a new value of every answer. */
const coarse: Readonly<Record<string, (value: number) => number>> = {
  "CpuInfo.busy": Math.round,
  // One decimal, with as many zero bits behind it as a double can have: they cost nothing once packed.
  "SystemInfo.load1": (value) => Math.fround(Math.round(value * 10) / 10),
  // Two decimals survive.
  "GPUInfo.utilizationExact": Math.fround,
  "GPUInfo.power": (milliwatts) => Math.round(milliwatts / 1000) * 1000,
};

type Copy = (from: Record<string, unknown>, to: Record<string, unknown>) => void;

const copyHost = copier(HostInfoSchema);

/** Copies the fields of a HostInfo that are drawn of every host. */
export function glance(info: HostInfo): HostInfo {
  const made = create(HostInfoSchema);
  copyHost(info as unknown as Record<string, unknown>, made as unknown as Record<string, unknown>);
  return made;
}

/** Makes a function that copies the drawn fields of a message. */
function copier(schema: DescMessage): Copy {
  const names: readonly string[] = drawn[schema.name as keyof Drawn];
  const copies = schema.fields
    .filter(({ localName }) => names.includes(localName))
    .map((field): Copy => {
      const { localName: name } = field;
      const message = field.fieldKind === "message" || (field.fieldKind === "list" && field.listKind === "message");
      if (!message) {
        const round = coarse[`${schema.name}.${name}`];
        return (from, to) => {
          const held = from[name];
          if (held !== undefined) to[name] = round === undefined ? held : round(held as number);
        };
      }
      const part = field.message;
      const copyPart = copier(part);
      const one = (held: unknown): unknown => {
        const made = create(part) as unknown as Record<string, unknown>;
        copyPart(held as Record<string, unknown>, made);
        return made;
      };
      return (from, to) => {
        const held = from[name];
        if (held !== undefined) to[name] = Array.isArray(held) ? held.map(one) : one(held);
      };
    });
  return (from, to) => {
    for (const copy of copies) copy(from, to);
  };
}
