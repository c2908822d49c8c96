import { clone, create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { HostInfoSchema } from "../proto/gen/host_pb.js";
import { altered, machineOf } from "../test/machine.ts";
import { Processes, parseOwner, parseStart } from "./process.ts";

const stat = (name: string, start: number): string =>
  `77 (${name}) S 1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 ${start} 999 888\n`;

test.each(["python", "a b", "x) S 1 (y", ")"])("finds the start of a process called %j", (name) => {
  expect(parseStart(stat(name, 4242))).toBe(4242);
});

test.each(["77 (python) S 1", stat("python", 1.5), stat("python", Number.POSITIVE_INFINITY), stat("python", 2 ** 60)])(
  "%j has no start",
  (text) => {
    expect(parseStart(text)).toBeUndefined();
  },
);

test("the owner is who started the program, not whose rights it took", () => {
  expect(parseOwner("Name:\tping\nUid:\t1000\t0\t0\t0\nGid:\t1000\t0\t0\t0\n")).toBe(1000);
});

const files: Record<string, string> = {
  "/proc/stat": "cpu 1 2 3 4\nbtime 1700000000\n",
  "/proc/77/stat": stat("python", 250),
  "/proc/77/comm": "python\n",
  "/proc/77/status": "Uid:\t1000\t1000\t1000\t1000\n",
  "/proc/88/stat": stat("top", 1),
  "/proc/88/comm": "top\n",
  "/proc/88/status": "Uid:\t4294967294\t0\t0\t0\n",
  // 99 ended between two reads: its first file was still there.
  "/proc/99/stat": stat("gone", 1),
};

const users = async (): Promise<Map<number, string>> => new Map([[1000, "alice"]]);

test("says who runs a process, what it is called and since when", async () => {
  const info = create(HostInfoSchema, { gpus: [{ procs: [{ pid: 77, mem: 5n }] }] });
  await new Processes(machineOf({ files, users })).describe(info);
  expect(info.gpus[0]?.procs[0]).toMatchObject({
    pid: 77,
    mem: 5n,
    uid: 1000,
    username: "alice",
    basename: "python",
    started: 1_700_000_002_500n,
  });
});

const mounts = (options: string): string => `sysfs /sys sysfs rw 0 0\nproc /proc proc rw,nosuid${options} 0 0\n`;

test.each([
  [",hidepid=2,gid=27", undefined, true],
  [",hidepid=invisible", undefined, true],
  [",hidepid=1", undefined, true],
  ["", undefined, false],
  [",hidepid=0", undefined, false],
  // The agent may see all: 100 has merely ended.
  [",hidepid=2", stat("systemd", 1), false],
])(
  "of processes that cannot be looked up, with %j and a first process %j, it is said to be hidepid: %s",
  async (options, first, said) => {
    const seen = { ...files, "/proc/mounts": mounts(options), ...(first !== undefined && { "/proc/1/stat": first }) };
    const describe = (pid: number) =>
      new Processes(machineOf({ files: seen, users })).describe(
        create(HostInfoSchema, { gpus: [{ procs: [{ pid }] }] }),
      );
    if (said) expect(await describe(100)).toMatch(/hidepid.*have no name/);
    else expect(await describe(100)).toBeUndefined();
    expect(await describe(77)).toBeUndefined();
  },
);

test("a process that ended between two reads keeps its pid and memory, and is no error", async () => {
  const info = create(HostInfoSchema, { gpus: [{ procs: [{ pid: 99, mem: 5n }, { pid: 100 }] }] });
  await new Processes(machineOf({ files, users })).describe(info);
  expect(info.gpus[0]?.procs).toEqual(
    create(HostInfoSchema, { gpus: [{ procs: [{ pid: 99, mem: 5n }, { pid: 100 }] }] }).gpus[0]?.procs,
  );
});

test("nobody is named for a process whose number means another one here", async () => {
  const info = create(HostInfoSchema, { gpus: [{ procs: [{ pid: 77, mem: 5n, elsewhere: true }] }] });
  const wanted = clone(HostInfoSchema, info);
  await new Processes(machineOf({ files, users })).describe(info);
  expect(info).toEqual(wanted);
});

test("a user id above 2^31 keeps its bits, a user without a name has none", async () => {
  const info = create(HostInfoSchema, { gpus: [{ procs: [{ pid: 88 }] }] });
  await new Processes(machineOf({ files, users })).describe(info);
  expect(info.gpus[0]?.procs[0]?.uid).toBe(-2);
  expect(info.gpus[0]?.procs[0]?.username).toBeUndefined();
});

test("users of all GPUs are asked for at once", async () => {
  const asked: number[][] = [];
  const machine = machineOf({
    files,
    users: async (uids) => {
      asked.push([...uids]);
      return new Map();
    },
  });
  const info = create(HostInfoSchema, { gpus: [{ procs: [{ pid: 77 }] }, { procs: [{ pid: 77 }, { pid: 88 }] }] });
  await new Processes(machine).describe(info);
  expect(asked).toEqual([[1000, 4_294_967_294]]);
});

test("says in which container, pod and job it runs; the environment only adds what the cgroup does not say", async () => {
  const id = "ab".repeat(32);
  const jobs = {
    ...files,
    "/proc/77/cgroup": `0::/system.slice/docker-${id}.scope\n`,
    "/proc/77/environ": "SLURM_JOB_ID=12\0PASSWORD=secret\0",
    "/proc/88/cgroup": "0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n",
    "/proc/88/environ": "SLURM_JOB_ID=12\0",
  };
  const info = create(HostInfoSchema, { gpus: [{ procs: [{ pid: 77 }, { pid: 88 }] }] });
  await new Processes(machineOf({ files: jobs, users })).describe(info);
  const [first, second] = info.gpus[0]?.procs ?? [];
  expect(first).toMatchObject({ container: "abababababab", job: "12" });
  expect(first?.pod).toBeUndefined();
  expect(second?.job).toBe("7");
});

const read = async (processes: Processes, ...pids: number[]) => {
  const info = create(HostInfoSchema, { gpus: [{ procs: pids.map((pid) => ({ pid })) }] });
  await processes.describe(info);
  return info.gpus[0]?.procs.map(({ job }) => job);
};

const submitted = () => altered(machineOf({ files: { ...files, "/proc/77/environ": "SLURM_JOB_ID=12\0" }, users }));
const asked = ({ heard }: { heard: readonly string[] }) => heard.filter((path) => path === "/proc/77/environ").length;

test("the environment of a process is read once, on however many GPUs and in however many readings it is seen", async () => {
  const machine = submitted();
  const processes = new Processes(machine);
  for (let i = 0; i < 3; i++) expect(await read(processes, 77, 77)).toEqual(["12", "12"]);
  expect(asked(machine)).toBe(1);
});

test("an environment without a job is read once, too", async () => {
  const machine = submitted();
  machine.files["/proc/77/environ"] = "HOME=/root\0";
  const processes = new Processes(machine);
  for (let i = 0; i < 3; i++) expect(await read(processes, 77)).toEqual([undefined]);
  expect(asked(machine)).toBe(1);
});

test.each([
  ["the number of a process that ended is another's", "/proc/77/stat", stat("python", 999)],
  ["a process became another program", "/proc/77/comm", "nvcc\n"],
])("where %s, its environment is read anew", async (_, path, text) => {
  const machine = submitted();
  const processes = new Processes(machine);
  expect(await read(processes, 77)).toEqual(["12"]);
  machine.files[path] = text;
  machine.files["/proc/77/environ"] = "SLURM_JOB_ID=13\0";
  expect(await read(processes, 77)).toEqual(["13"]);
});

test("an environment that could not be read is asked for again", async () => {
  const machine = submitted();
  const processes = new Processes(machine);
  for (const text of [undefined, ""]) {
    machine.files["/proc/77/environ"] = text;
    expect(await read(processes, 77)).toEqual([undefined]);
  }
  machine.files["/proc/77/environ"] = "SLURM_JOB_ID=13\0";
  expect(await read(processes, 77)).toEqual(["13"]);
});

test("of a process that is gone from the GPUs nothing is kept", async () => {
  const machine = submitted();
  const processes = new Processes(machine);
  await read(processes, 77);
  expect(await read(processes)).toEqual([]);
  await read(processes, 77);
  expect(asked(machine)).toBe(2);
});
