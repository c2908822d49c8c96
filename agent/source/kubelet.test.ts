import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { machineOf, never, options } from "../../test/machine.ts";
import type { Grant } from "../machine/machine.ts";
import { hold, kubelet } from "./kubelet.ts";
import { Unsupported } from "./source.ts";

const grant = (pod: string, ...devices: string[]): Grant => ({
  namespace: "lab",
  pod,
  container: "main",
  resource: "nvidia.com/gpu",
  devices,
});

let ticks = 0;
beforeEach(() => {
  vi.useFakeTimers();
  ticks = 0;
});
afterEach(() => {
  vi.useRealTimers();
});

/** A kubelet whose answers the test gives; the last one is given again. Undefined: the socket is not there. */
async function asked(...answers: (() => Promise<readonly Grant[]> | undefined)[]) {
  let calls = 0;
  const machine = machineOf({
    ticks: () => ticks,
    grants: () => answers[Math.min(calls++, answers.length - 1)]?.(),
  });
  const reader = await kubelet.open(machine, options);
  return { reader, calls: () => calls, read: async () => (await reader?.read(never))?.grants };
}

const says =
  (...grants: Grant[]) =>
  () =>
    Promise.resolve(grants);
const silent = () => new Promise<readonly Grant[]>(() => undefined);

test("a machine without the socket has no kubelet", async () => {
  expect((await asked(() => undefined)).reader).toBeUndefined();
});

test("the kubelet is asked again after 15 seconds, and not before", async () => {
  const { read, calls } = await asked(says(grant("a", "GPU-0")), says(grant("b", "GPU-0")));
  expect(await read()).toEqual([grant("a", "GPU-0")]);
  ticks = 14_999;
  expect(await read()).toEqual([grant("a", "GPU-0")]);
  expect(calls()).toBe(1);
  ticks = 15_000;
  expect(await read()).toEqual([grant("b", "GPU-0")]);
  expect(calls()).toBe(2);
});

test("a kubelet that does not answer keeps one reading for 150 ms, and the next ones not at all", async () => {
  const { read, calls } = await asked(silent);
  const first = read();
  const failed = expect(first).rejects.toMatchObject({ name: "Hung" });
  await vi.advanceTimersByTimeAsync(149);
  expect(vi.getTimerCount()).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  await failed;
  ticks = 20_000;
  const next = expect(read()).rejects.toMatchObject({ name: "Hung" });
  expect(vi.getTimerCount()).toBe(0);
  await next;
  expect(calls()).toBe(1);
});

test("an answer that comes late is taken by the reading after it", async () => {
  let give: (grants: readonly Grant[]) => void = () => undefined;
  const late = new Promise<readonly Grant[]>((resolve) => {
    give = resolve;
  });
  const { read } = await asked(() => late);
  const first = expect(read()).rejects.toMatchObject({ name: "Hung" });
  await vi.advanceTimersByTimeAsync(150);
  await first;
  give([grant("a", "GPU-0")]);
  await vi.advanceTimersByTimeAsync(0);
  expect(await read()).toEqual([grant("a", "GPU-0")]);
});

test("a failure is told until the next question, which may succeed", async () => {
  const { read, calls } = await asked(() => Promise.reject(new Error("refused")), says());
  await expect(read()).rejects.toThrow("refused");
  await expect(read()).rejects.toThrow("refused");
  expect(calls()).toBe(1);
  ticks = 15_000;
  expect(await read()).toEqual([]);
});

test("a kubelet that was taken away is no fault of the machine", async () => {
  const { read } = await asked(says(), () => undefined);
  await read();
  ticks = 15_000;
  await expect(read()).rejects.toBeInstanceOf(Unsupported);
});

const gpus = [
  { id: 0, uuid: "GPU-0" },
  { id: 1, uuid: "GPU-1" },
];
const holders = (info: ReturnType<typeof answer>) => info.gpus.map((gpu) => gpu.holders.map(({ pod }) => pod));
const answer = (...procs: { pid: number; pod?: string }[]) =>
  create(HostInfoSchema, { gpus: [{ ...gpus[0], procs }, { ...gpus[1] }] });

test("each GPU tells the containers it was given to, each once, without any process", () => {
  const info = answer();
  hold(machineOf({}), info, [
    grant("a", "GPU-0", "GPU-1"),
    grant("b", "GPU-1::0", "GPU-1::1"),
    grant("b", "GPU-1::2"),
    grant("c", "other"),
  ]);
  expect(holders(info)).toEqual([["a"], ["a", "b"]]);
  expect(info.gpus[0]?.holders[0]).toMatchObject({ namespace: "lab", pod: "a", container: "main" });
});

test("who held it before is not told with who holds it now", () => {
  const info = answer();
  hold(machineOf({}), info, [grant("a", "GPU-0")]);
  hold(machineOf({}), info, [grant("b", "GPU-1")]);
  expect(holders(info)).toEqual([[], ["b"]]);
});

test("a GPU that is shared by many tells 64 of them", () => {
  const info = answer();
  const many = Array.from({ length: 100 }, (_, i) => grant(`pod-${i}`, `GPU-0::${i}`));
  hold(machineOf({}), info, many);
  expect(info.gpus[0]?.holders).toHaveLength(64);
});

const uid = "b3a1f0de-5c2d-4e7f-8a9b-0c1d2e3f4a5b";
const other = "00000000-5c2d-4e7f-8a9b-0c1d2e3f4a5b";
const names = (info: ReturnType<typeof answer>) =>
  info.gpus[0]?.procs.map(({ podNamespace, podName }) => podName && `${podNamespace}/${podName}`);

test("processes bear the name of their pod, by the folders of pods' logs, without a kubelet to ask", () => {
  const info = answer({ pid: 1, pod: uid }, { pid: 2, pod: other }, { pid: 3 });
  hold(machineOf({ lists: { "/var/log/pods": [`lab_train-0_${uid}`] } }), info, []);
  expect(names(info)).toEqual(["lab/train-0", undefined, undefined]);
});

test("where those cannot be listed, the only pod seen on a GPU is the only one it was given to", () => {
  const info = answer({ pid: 1, pod: uid }, { pid: 2, pod: uid }, { pid: 3 });
  hold(machineOf({}), info, [grant("a", "GPU-0")]);
  expect(names(info)).toEqual(["lab/a", "lab/a", undefined]);
});

test("with two pods seen, or two that hold it, nobody is given the other's name", () => {
  const seen = answer({ pid: 1, pod: uid }, { pid: 2, pod: other });
  hold(machineOf({}), seen, [grant("a", "GPU-0")]);
  expect(names(seen)).toEqual([undefined, undefined]);
  const held = answer({ pid: 1, pod: uid });
  hold(machineOf({}), held, [grant("a", "GPU-0::0"), grant("b", "GPU-0::1")]);
  expect(names(held)).toEqual([undefined]);
});
