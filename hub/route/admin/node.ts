import * as v from "valibot";
import { obstacles } from "../../servers.ts";

const time = v.pipe(v.number(), v.integer());
const whole = v.pipe(v.number(), v.integer(), v.minValue(0));

/** Most GPUs, disks or interfaces that can be selected. */
const selectable = 1024;
const list = <T extends v.GenericSchema>(item: T) => v.nullable(v.pipe(v.array(item), v.maxLength(selectable)));

/** Most seconds between two reports. */
const longest = 3600;

const selections = {
  gpuIndices: list(v.pipe(whole, v.maxValue(2 ** 31 - 1))),
  diskMounts: list(v.pipe(v.string(), v.maxLength(4096))),
  nicNames: list(v.pipe(v.string(), v.maxLength(256))),
  reportIntervalSec: v.nullable(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(longest))),
};
const selected = { gpuIndices: [0, 1], diskMounts: ["/"], nicNames: null, reportIntervalSec: 5 };

/** The portal's own object; null is everything. */
const config = v.pipe(v.object(selections), v.title("HostConfig"), v.examples([selected]));
export const configChange = v.pipe(
  v.partial(v.strictObject(selections)),
  v.title("HostConfigChange"),
  v.examples([selected]),
);

const machine = v.pipe(
  v.object({
    gpus: v.array(v.object({ index: whole, name: v.string(), memoryTotalMB: v.optional(v.number()) })),
    disks: v.array(v.object({ mount: v.string(), totalGB: v.optional(v.number()) })),
    nics: v.array(v.object({ name: v.string(), ipv4: v.string() })),
    cpuCores: v.optional(v.number()),
    memoryTotalGB: v.optional(v.number()),
  }),
  v.title("Capabilities"),
  v.description("What can be ticked: what its last report has, and what it registered with."),
);

/** What an English text says: the page makes the same sentence in another language from it. */
const sentence = v.pipe(
  v.object({ code: v.string(), values: v.record(v.string(), v.union([v.string(), v.number()])) }),
  v.title("Sentence"),
);

export const exampleNode = {
  name: "gpu7",
  shown: "gpu7",
  group: "lab-a",
  labels: { rack: "7" },
  ways: ["push" as const],
  address: "10.0.0.7",
  file: null,
  parted: false,
  state: "answering" as const,
  seen: 1_800_003_600_000,
  reason: null,
  cause: null,
  capabilities: {
    gpus: [{ index: 0, name: "NVIDIA A100-SXM4-80GB", memoryTotalMB: 81_920 }],
    disks: [{ mount: "/", totalGB: 1800.5 }],
    nics: [{ name: "eth0", ipv4: "10.0.0.7" }],
    cpuCores: 64,
    memoryTotalGB: 503.6,
  },
  config: selected,
  configVersion: 3,
  taken: { version: 3, time: 1_800_003_600_000 },
  registration: {
    hostname: "gpu7",
    state: "approved" as const,
    registered: 1_800_000_000_000,
    origin: "10.0.0.7",
    used: 1_800_003_600_000,
    usedFrom: "10.0.0.7",
    reset: false,
  },
  skewMs: 12,
  trouble: [],
  troubles: [],
};

/** A host as administrators see it. */
export const node = v.pipe(
  v.object({
    name: v.pipe(v.string(), v.description("Name of the host in live state and history; it never changes.")),
    shown: v.pipe(v.string(), v.description("The name that is shown.")),
    group: v.nullable(v.string()),
    labels: v.record(v.string(), v.string()),
    ways: v.pipe(
      v.array(v.picklist(["settings", "book", "push", "logger"])),
      v.description(
        "How the hub hears from it: polled as settings.json or an administrator says, by its own reports (`push`), or by records of the GPU Metrics Logger without a token.",
      ),
    ),
    address: v.pipe(v.nullable(v.string()), v.description("Where it is polled, or its reports came from last.")),
    file: v.pipe(
      v.nullable(
        v.object({
          path: v.string(),
          obstacle: v.nullable(v.picklist(obstacles)),
          reason: v.nullable(v.string()),
          owner: v.nullable(v.string()),
        }),
      ),
      v.description(
        "The settings file, if it lists the host: address, group and labels are changed there, and the host is deleted there. `obstacle` and `reason` say why the hub cannot change the file, `owner` to whom it belongs.",
      ),
    ),
    parted: v.pipe(
      v.boolean(),
      v.description("True if a person said that it is not the machine of another name for which it was taken."),
    ),
    state: v.pipe(
      v.picklist(["answering", "silent", "history", "waiting"]),
      v.description(
        "`history`: never reports live, as only its Netdata tells of it; `waiting` for approval; such a host is in no count.",
      ),
    ),
    seen: v.pipe(v.nullable(time), v.description("Last report, Unix milliseconds.")),
    reason: v.pipe(v.nullable(v.string()), v.description("Why it is silent, or has history only.")),
    cause: v.pipe(
      v.nullable(sentence),
      v.description("`reason` as a code with values; null if it is not a sentence of the hub."),
    ),
    capabilities: machine,
    config,
    configVersion: whole,
    taken: v.pipe(
      v.nullable(v.object({ version: whole, time })),
      v.description("The newest configuration that a machine that reports by itself has fetched, and when."),
    ),
    registration: v.nullable(
      v.object({
        hostname: v.string(),
        state: v.pipe(
          v.picklist(["waiting", "approved"]),
          v.description("A polled host may have a registration that waits."),
        ),
        registered: time,
        origin: v.string(),
        used: v.nullable(time),
        usedFrom: v.nullable(v.string()),
        reset: v.pipe(v.boolean(), v.description("True if this host name may register once more.")),
      }),
    ),
    skewMs: v.pipe(v.nullable(v.number()), v.description("How far its clock is ahead of the hub's.")),
    trouble: v.pipe(v.array(v.string()), v.description("What is wrong with its reports, for administrators.")),
    troubles: v.pipe(v.array(sentence), v.description("`trouble` as codes with values, in the same order.")),
  }),
  v.title("Node"),
  v.examples([exampleNode]),
);
