// The built agent on a node of Kubernetes: a kubelet that speaks the real pod-resources API on a Unix socket.
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { State } from "../../proto/gen/host_pb.js";
import { type Agent, startAgent } from "../agent.ts";
import { readExposition } from "../exposition.ts";
import { type PlayedKubelet, playKubelet } from "../kubelet.ts";
import { missingCompiler, player } from "../nvml/build.ts";
import { h100 } from "../nvml/rig.ts";

const reason = missingCompiler();
const first = "GPU-2b6f1d54-4c1e-9a37-5e0d-7a1c3f8e9b02";
const idle = "GPU-ca10e7d3-5f82-4b96-e0a4-8d2b6c1f73e5";
const uid = "b3a1f0de-5c2d-4e7f-8a9b-0c1d2e3f4a5b";
const socketBelow = (root: string): string => join(root, "var/lib/kubelet/pod-resources/kubelet.sock");

describe.skipIf(reason !== undefined)(`a node of Kubernetes with eight GPUs${reason ? `: ${reason}` : ""}`, () => {
  let folder: string;
  let root: string;
  let kubelet: PlayedKubelet | undefined;
  let agent: Agent | undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "agent-pods-"));
    root = join(folder, "host");
    cpSync(h100, root, { recursive: true });
    // Without this it is no captured machine but one whose root is mounted here, and is read like any live one.
    rmSync(join(root, "capture.json"));
    mkdirSync(dirname(socketBelow(root)), { recursive: true });
  });
  afterEach(async () => {
    await agent?.stop();
    kubelet?.close();
    agent = undefined;
    kubelet = undefined;
    rmSync(folder, { recursive: true, force: true });
  });

  const begin = async (env: Record<string, string> = {}): Promise<Agent> => {
    agent = await startAgent({ GOHM_ROOT: root, GOHM_NVML: player(), GOHM_PLAYER: h100, ...env });
    await agent.program.line(/^GPUs: 8/m);
    return agent;
  };
  const source = async () => (await agent?.info())?.sources.find(({ name }) => name === "kubelet");

  test("reports which pod holds each GPU, with or without processes, and so does the exporter", async () => {
    writeFileSync(join(root, "proc/201440/cgroup"), `0::/kubepods/burstable/pod${uid}/${"ab".repeat(32)}\n`);
    kubelet = await playKubelet(socketBelow(root), {
      "lab/train-0": { worker: { "nvidia.com/gpu": [first] } },
      "lab/waits": { main: { "nvidia.com/gpu": [idle] } },
      "default/web": { nginx: {} },
    });
    const { info, program } = await begin({ GOHM_METRICS_ADDR: "127.0.0.1:0" });
    const { gpus } = await info();
    expect(gpus[0]?.holders).toMatchObject([{ namespace: "lab", pod: "train-0", container: "worker" }]);
    expect(gpus[0]?.procs[0]).toMatchObject({ pid: 201_440, pod: uid, podNamespace: "lab", podName: "train-0" });
    expect(gpus.map(({ holders }) => holders.length)).toEqual([1, 0, 0, 0, 0, 0, 1, 0]);
    expect(gpus[6]?.procs).toEqual([]);
    expect(gpus[6]?.holders).toMatchObject([{ namespace: "lab", pod: "waits", container: "main" }]);
    expect(await source()).toMatchObject({ state: State.OK });
    const [, url = ""] = await program.line(/^Metrics: (http:\S+)$/m);
    const families = readExposition(await (await fetch(url)).text(), "text");
    const pods = families.find(({ name }) => name === "hw_gpu_pod")?.samples;
    expect(
      pods?.map(({ labels: { gpu_index, namespace, pod, container } }) => [gpu_index, namespace, pod, container]),
    ).toEqual([
      ["0", "lab", "train-0", "worker"],
      ["6", "lab", "waits", "main"],
    ]);
    // Several readings, one question.
    expect(kubelet.calls()).toBe(1);
  });

  test("reports which pod was allocated a GPU by a claim, which names the number of its device node", async () => {
    const card = join(root, "proc/driver/nvidia/gpus/0000:61:00.0");
    mkdirSync(card, { recursive: true });
    writeFileSync(join(card, "information"), "Model: \t NVIDIA H100 80GB HBM3\nDevice Minor: \t 5\n");
    kubelet = await playKubelet(socketBelow(root), { "lab/claims": { main: { "claim:gpu.nvidia.com": ["gpu-5"] } } });
    const { gpus } = await (await begin()).info();
    expect(gpus.map(({ holders }) => holders.map(({ pod }) => pod))).toEqual([[], [], [], ["claims"], [], [], [], []]);
  });

  test("without a kubelet it reports neither holders nor a source 'kubelet'", async () => {
    const { info } = await begin();
    expect((await info()).gpus.flatMap(({ holders }) => holders)).toEqual([]);
    expect(await source()).toBeUndefined();
  });

  test("a kubelet that never answers delays no other reading", async () => {
    kubelet = await playKubelet(socketBelow(root));
    kubelet.answer("silence");
    const { info } = await begin({ GOHM_READ_DEADLINE: "2" });
    const { gpus, memory } = await info();
    expect(gpus.map(({ state }) => state)).toEqual(Array(8).fill(State.OK));
    expect(memory?.total).toBeDefined();
    expect(await source()).toMatchObject({ state: State.HUNG });
    await vi.waitUntil(async () => (await source())?.err === "The kubelet did not answer within 2 s", {
      timeout: 20_000,
    });
  });

  test("invalid answers of a kubelet are reported, and the GPUs are read", async () => {
    kubelet = await playKubelet(socketBelow(root));
    kubelet.answer(Buffer.alloc(200_000).fill(Buffer.of(10, 0)));
    const { info } = await begin();
    expect((await info()).gpus.map(({ state }) => state)).toEqual(Array(8).fill(State.OK));
    expect(await source()).toMatchObject({
      state: State.STALE,
      err: "the answer cannot be read: message has more than 50000 elements",
    });
  });

  test("the setting names another socket, also one that is not below the root", async () => {
    const socket = join(folder, "k3s.sock");
    kubelet = await playKubelet(socket, { "lab/x": { c: { "nvidia.com/gpu": [idle] } } });
    const { info } = await begin({ GOHM_KUBELET: socket });
    expect((await info()).gpus[6]?.holders).toMatchObject([{ pod: "x" }]);
  });
});
