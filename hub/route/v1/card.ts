import * as v from "valibot";
import { verdicts } from "../../../proto/verdict.ts";
import { bytes, count, name, number, page, text, texts, time, yes } from "./field.ts";

/** Names of vendors, as filters and answers have them. */
export const vendors = ["nvidia", "amd", "intel"] as const;

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));

export const verdictCounts = v.pipe(
  v.object({ free: whole, held: whole, busy: whole, broken: whole, unknown: whole }),
  v.description("Cards to compute on by verdict; as `counted` says."),
);

const process = v.object({
  pid: number("Id of the process on its host."),
  user: name("Its user, or `uid` and a number; `?` if unknown."),
  command: text("Name of its command."),
  memory_bytes: bytes("Device memory."),
  utilization_percent: number("Share of the card's time."),
  started: time("Start of the process, by the clock of the machine."),
  container: text("Container that it runs in."),
  pod: text("Kubernetes pod, with its namespace."),
  job: text("Slurm job."),
  holds: yes("False for a process that does not make the card held: one that only draws, with almost no memory."),
});

const fault = v.object({
  kind: v.picklist(["lost", "hung", "stale", "ecc-uncorrected", "xid", "nvlink"]),
  count: count("Number of events, or of NVLinks that are down."),
  of: number("Of `nvlink`: number of links."),
  code: number("Of `xid`: code of the event."),
  time: time("Of `xid`: time of the event, by the clock of the machine."),
});

/** Fields that name a card. */
export const place = {
  host: name("Name of its host; it never changes."),
  shown_name: name("Name that is shown for the host."),
  index: number(
    "Index on its machine, as the vendor's tool has it; of a MIG instance 1000 × (index of its card + 1) + its number.",
  ),
  uuid: text("Permanent id."),
  model: text("Model."),
};

export const card = v.pipe(
  v.object({
    ...place,
    group: text("Group of the host."),
    vendor: v.pipe(v.nullable(v.picklist(vendors)), v.description("Vendor.")),
    verdict: v.pipe(
      v.picklist(verdicts),
      v.description(
        "`free`: answers, nobody holds it; `held`: held, but nothing computes; `busy`: computes; `broken`: lost, hung, or free with a fault; `unknown`: its readings are old or do not suffice.",
      ),
    ),
    counted: yes("False for graphics in a processor, and for a card divided by MIG, whose instances count instead."),
    fresh: yes("True if its host answered recently; otherwise the readings are the last ones."),
    sampled: time("When the readings were taken, by the clock of the machine."),
    utilization_percent: number("Share of the last sample period in which a kernel ran."),
    memory_total_bytes: bytes("Device memory."),
    memory_used_bytes: bytes("Device memory in use, with what the driver reserves."),
    memory_free_bytes: bytes("The rest of it."),
    memory_shared: yes("True if its memory is that of the host."),
    temperature_celsius: number("Temperature of the die."),
    power_watts: number("Power of the board."),
    power_limit_watts: number("Power limit."),
    users: texts("Who holds it: users of its processes, or the pods that it is allocated to."),
    idle_since: time("Since when it has been held without computing."),
    idle_or_longer: yes("True if the hub did not see that begin."),
    faults: v.pipe(v.array(fault), v.description("The most serious first.")),
    slowed_by: texts("Reasons outside the card why it runs slower than it could."),
    parent: text("Of a MIG instance: uuid of its card."),
    selector: name(
      "Its name in the variables that choose cards for a program: an index among cards of its vendor, or the uuid of an instance.",
    ),
    processes: v.pipe(v.array(process), v.description("Processes on it.")),
    processes_unknown: yes("True if its processes cannot be listed, or not all."),
    error: text("Why it could not be read."),
  }),
  v.title("Gpu"),
);

export const cardExample: v.InferOutput<typeof card> = {
  host: "gpu1",
  shown_name: "gpu1",
  index: 0,
  uuid: "GPU-5f0c8c1e-3c39-4c0e-9a1b-0d3d6f1b2a11",
  model: "NVIDIA H100 80GB HBM3",
  group: "lab-a",
  vendor: "nvidia",
  verdict: "busy",
  counted: true,
  fresh: true,
  sampled: "2027-01-15T08:00:00.000Z",
  utilization_percent: 91.25,
  memory_total_bytes: 85_899_345_920,
  memory_used_bytes: 68_719_476_736,
  memory_free_bytes: 17_179_869_184,
  memory_shared: false,
  temperature_celsius: 64,
  power_watts: 412.5,
  power_limit_watts: 700,
  users: ["alice"],
  idle_since: null,
  idle_or_longer: false,
  faults: [],
  slowed_by: [],
  parent: null,
  selector: "0",
  processes: [
    {
      pid: 4242,
      user: "alice",
      command: "python3",
      memory_bytes: 68_000_000_000,
      utilization_percent: 91,
      started: "2027-01-15T06:12:30.000Z",
      container: null,
      pod: null,
      job: "884422",
      holds: true,
    },
  ],
  processes_unknown: false,
  error: null,
};

export const cards = v.pipe(
  v.object({
    gpus: v.array(card),
    count: verdictCounts,
    ...page,
  }),
  v.title("GpuList"),
  v.examples([
    { gpus: [cardExample], count: { free: 0, held: 0, busy: 1, broken: 0, unknown: 0 }, total: 1, next: null },
  ]),
);

const offer = v.object({
  ...place,
  group: text("Group of the host."),
  memory_total_bytes: bytes("Device memory."),
  memory_free_bytes: bytes("Device memory that is free."),
  selector: name("Its name in the variables that choose cards for a program."),
});

export const free = v.pipe(
  v.object({
    satisfied: yes(
      "True if there are as many cards as asked for. If not, `gpus` has those that there are, and `hosts` nothing to run.",
    ),
    count: count("Number of cards that were asked for."),
    matching: count("Number of free cards that match, with those that were not chosen."),
    gpus: v.pipe(v.array(offer), v.description("Cards to take, the best first: at most `count`.")),
    hosts: v.pipe(
      v.array(
        v.object({
          host: name("Name of the host."),
          shown_name: name("Name that is shown for the host."),
          variables: v.pipe(
            v.record(v.string(), v.string()),
            v.description("Environment variables with which a program there uses these cards alone."),
          ),
          shell: name("The same as a line for a shell on that host."),
        }),
      ),
      v.description("How to use them, host by host; empty if `satisfied` is false."),
    ),
  }),
  v.title("FreeGpus"),
  v.examples([
    {
      satisfied: true,
      count: 2,
      matching: 5,
      gpus: [3, 5].map((index) => ({
        host: "gpu1",
        shown_name: "gpu1",
        index,
        uuid: `GPU-5f0c8c1e-3c39-4c0e-9a1b-0d3d6f1b2a1${index}`,
        model: "NVIDIA H100 80GB HBM3",
        group: "lab-a",
        memory_total_bytes: 85_899_345_920,
        memory_free_bytes: 85_000_000_000,
        selector: String(index),
      })),
      hosts: [
        {
          host: "gpu1",
          shown_name: "gpu1",
          variables: { CUDA_DEVICE_ORDER: "PCI_BUS_ID", CUDA_VISIBLE_DEVICES: "3,5" },
          shell: "export CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=3,5",
        },
      ],
    },
  ]),
);
