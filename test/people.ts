// A machine whose reports tell of people in every way in which one can.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { clone, create, fromJsonString } from "@bufbuild/protobuf";
import { type HostInfo, HostInfoSchema } from "../proto/gen/host_pb.js";
import { start as now } from "./door.ts";
import { top } from "./program.ts";

const capture = join(top, "test/capture/ubuntu22.04-x86_64__8x-h100-80gb-hbm3__550.54.15");

/** Words that only tell of people: of the captured machine, and of what `captured` adds. Lower case. */
export const people = [
  "alice",
  "bob",
  "carol",
  "dmitri",
  "erin",
  "grace",
  "hopper",
  "heidi",
  "ivan",
  "judy",
  "mallory",
  "31337",
];
export const commands = ["python3", "vllm", "ollama", "ipykernel"];
export const places = ["8d1e2f3a4b5c", "9f3c-pod-uid", "884422", "notebook"];

/** A captured machine with eight cards, four users, and everything else that may tell of people. */
export function captured(): HostInfo {
  const read = (name: string): HostInfo => fromJsonString(HostInfoSchema, readFileSync(join(capture, name), "utf8"));
  const info = {
    ...read("host.json"),
    gpus: read("expected.json").gpus,
    sampled: BigInt(now - 1000),
    agentVersion: "1",
  };
  const more = create(HostInfoSchema, {
    err: "a program of dmitri has the driver",
    gpus: [
      {
        procs: [{ uid: 31_337, mem: 10n, compute: true }],
        err: "cannot open /home/alice/my models/x.so for carol: refused by CORP\\judy",
      },
      { holders: [{ namespace: "erin", pod: "erin-notebook-0", container: "erin-main" }] },
    ],
    disks: [
      { mount: "/home/alice", device: "nas:/export/home/alice", used: 96n, total: 100n, fstype: "nfs4" },
      { mount: "/mnt/Grace Hopper", device: "//nas/grace", used: 1n, total: 100n },
      { mount: "/run/user/31337", device: "heidi@nas:/data", used: 1n, total: 100n },
    ],
    sources: [{ name: "disk", state: 2, err: "/mnt/Grace Hopper did not answer, nor did /srv/bob" }],
  });
  const [first, , , , fifth, , seventh] = info.gpus;
  const [added, pods] = more.gpus;
  if (!first || !fifth || !seventh || !added || !pods) throw new Error("the captured machine has eight cards");
  first.procs.push(...added.procs);
  first.err = added.err ?? "";
  Object.assign(first.procs[0] ?? {}, { container: "8d1e2f3a4b5c", job: "884422", pod: "9f3c-pod-uid" });
  Object.assign(fifth.procs[0] ?? {}, { podName: "bob-train-0", podNamespace: "bob" });
  Object.assign(seventh, { holders: pods.holders, memUsed: 70_000_000_000n, memReserved: 0n });
  info.err = more.err ?? "";
  info.disks.push(...more.disks);
  info.sources.push(...more.sources);
  return clone(HostInfoSchema, info);
}
