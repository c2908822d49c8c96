import { create } from "@bufbuild/protobuf";
import { HolderSchema, type HostInfo } from "../../proto/gen/host_pb.js";
import type { Grant, Machine } from "../machine/machine.ts";
import { finder } from "./kubelet/device.ts";
import { parsePods } from "./kubelet/pods.ts";
import { Hung, type Source, type SourceOptions, type SourcePart, type SourceReader, Unsupported } from "./source.ts";

/** Interval between two requests in milliseconds: pods start and end within seconds, and the kubelet has other work. */
const every = 15_000;
/** Milliseconds that a reading waits for the answer; kubelets answer within a few. */
const patience = 150;

/** Reads which containers have which GPUs from the kubelet of a Kubernetes node. */
export const kubelet: Source = {
  name: "kubelet",
  open(machine, options) {
    const first = machine.grants(options.kubelet, options.deadline);
    return Promise.resolve(first && new Kubelet(machine, options, first));
  },
};

class Kubelet implements SourceReader {
  readonly #machine: Machine;
  readonly #options: SourceOptions;
  #asked: number;
  #answer: Promise<void> | undefined;
  #grants: readonly Grant[] = [];
  #error: unknown;

  constructor(machine: Machine, options: SourceOptions, first: Promise<readonly Grant[]>) {
    this.#machine = machine;
    this.#options = options;
    this.#asked = machine.ticks();
    this.#take(first);
  }

  #take(answer: Promise<readonly Grant[]>): void {
    this.#answer = answer
      .then(
        (grants) => {
          this.#grants = grants;
          this.#error = undefined;
        },
        (error: unknown) => {
          this.#error = error;
        },
      )
      .finally(() => {
        this.#answer = undefined;
      });
  }

  /** A kubelet that does not answer at once costs one reading 150 ms and the others nothing; its answer is taken when it comes. */
  async read(): Promise<SourcePart> {
    const now = this.#machine.ticks();
    if (this.#answer === undefined && now - this.#asked >= every) {
      const { kubelet: socket, deadline } = this.#options;
      this.#asked = now;
      this.#take(this.#machine.grants(socket, deadline) ?? Promise.reject(new Unsupported(`${socket} is gone`)));
    }
    if (this.#answer !== undefined) await atMost(this.#answer, patience - (now - this.#asked));
    if (this.#answer !== undefined) throw new Hung("The kubelet has not answered yet");
    if (this.#error !== undefined) throw this.#error;
    return { grants: this.#grants };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

async function atMost(work: Promise<void>, milliseconds: number): Promise<void> {
  if (milliseconds <= 0) return;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}

/** Most holders listed for one GPU: a GPU shared by time slices may be allocated to any number. */
const most = 64;

/** Adds to an answer which containers have its GPUs, and the names of its processes' pods. */
export function hold(machine: Machine, info: HostInfo, grants: readonly Grant[]): void {
  // Values that are shown again bring along who held the GPU then.
  for (const gpu of info.gpus) gpu.holders = [];
  const gpusOf = finder(machine, info.gpus);
  for (const { devices, resource, namespace, pod, container } of grants) {
    for (const gpu of new Set(devices.flatMap((id) => gpusOf(id, resource)))) {
      const known = gpu.holders.some((h) => h.namespace === namespace && h.pod === pod && h.container === container);
      if (!known && gpu.holders.length < most) gpu.holders.push(create(HolderSchema, { namespace, pod, container }));
    }
  }
  namePods(machine, info);
}

function namePods(machine: Machine, info: HostInfo): void {
  if (!info.gpus.some(({ procs }) => procs.some(({ pod }) => pod !== undefined))) return;
  const pods = parsePods(machine.list("/var/log/pods"));
  for (const { procs, holders } of info.gpus) {
    const uids = new Set(procs.flatMap(({ pod }) => pod ?? []));
    const names = new Map(holders.map(({ namespace, pod }) => [`${namespace}/${pod}`, { namespace, pod }]));
    // The kubelet knows no uids. Where one pod holds the GPU and one is seen on it, they are the same.
    const only = uids.size === 1 && names.size === 1 ? [...names.values()][0] : undefined;
    for (const proc of procs) {
      if (proc.pod === undefined) continue;
      const { namespace, pod } = pods.get(proc.pod) ?? only ?? {};
      if (pod !== undefined) proc.podName = pod;
      if (namespace !== undefined) proc.podNamespace = namespace;
    }
  }
}
