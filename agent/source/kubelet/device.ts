import { type GPUInfo, Vendor } from "../../../proto/gen/host_pb.js";
import { wholeOf } from "../../machine/drm/drm.ts";
import type { Machine } from "../../machine/machine.ts";

/**
 * A device that is shared is several to Kubernetes, each with an ending of its own: "GPU-…::3" (NVIDIA's plugin),
 * "nvidia0/vgpu3" (Google's), "0000:c1:00.0-slice-3" (AMD's).
 */
const replica = /(::\d+|\/vgpu\d+|-slice-\d+)$/;

const address = /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i;

/** Numbers of the nodes /dev/nvidia<n> by PCI address; they need not be the order in which the driver counts. */
function minors(machine: Machine): ReadonlyMap<string, string> {
  const top = "/proc/driver/nvidia/gpus";
  const found = new Map<string, string>();
  for (const pci of machine.list(top)) {
    const minor = /^Device Minor:\s*(\d+)/m.exec(machine.read(`${top}/${pci}/information`) ?? "")?.[1];
    if (minor !== undefined) found.set(minor, pci.toLowerCase());
  }
  return found;
}

/** Where a claim's device is to be looked for. */
interface Look {
  readonly gpus: readonly GPUInfo[];
  /** Of a whole card, by the number of its node /dev/nvidia<n>. */
  atMinor(minor: string): GPUInfo[];
  /** By PCI address. */
  atAddress(pci: string): GPUInfo[];
}

/**
 * How each driver of Dynamic Resource Allocation names whole cards. A part of a card (MIG, a partition) is named by what it was
 * cut from and where, which is not known here: it is not found.
 */
const claims: Readonly<Record<string, { readonly name: RegExp; find(part: string, look: Look): GPUInfo[] }>> = {
  // CanonicalName() in deviceinfo.go of kubernetes-sigs/dra-driver-nvidia-gpu: the minor number.
  "gpu.nvidia.com": { name: /^gpu-(\d+)$/, find: (minor, { atMinor }) => atMinor(minor) },
  // docs/driver-attributes.md of ROCm/k8s-gpu-dra-driver: "gpu-<card>-<render node>".
  "gpu.amd.com": {
    name: /^gpu-(\d+)-\d+$/,
    find: (card, { gpus }) => gpus.filter((gpu) => gpu.vendor === Vendor.AMD && gpu.card === Number(card)),
  },
  // intel-resource-drivers-for-kubernetes: the PCI address and the model, "0000-03-00-0-0x56c0".
  "gpu.intel.com": {
    name: /^([0-9a-f]{4}-[0-9a-f]{2}-[0-9a-f]{2}-[0-7])-0x[0-9a-f]{4}$/,
    find: (pci, { atAddress }) => atAddress(pci.replace("-", ":").replace("-", ":").replace("-", ".")),
  },
};

/**
 * Finds the GPUs that a device plugin's id means, or a claim's device where `resource` is the driver it was claimed from: none for
 * what is no GPU, or none of this machine's.
 */
export function finder(machine: Machine, gpus: readonly GPUInfo[]): (id: string, resource?: string) => GPUInfo[] {
  let nodes: ReadonlyMap<string, string> | undefined;
  const whole = (gpu: GPUInfo): boolean => gpu.parent === undefined;
  const atNode = (minor: string): GPUInfo[] => {
    nodes ??= minors(machine);
    return atAddress(nodes.get(minor));
  };
  const look: Look = { gpus, atMinor: (minor) => atNode(minor).filter(whole), atAddress: (pci) => atAddress(pci) };
  const at = (pci: string | undefined): GPUInfo[] =>
    pci === undefined ? [] : gpus.filter((gpu) => gpu.pciBusId?.toLowerCase() === pci);
  // Who was given a share of a card (SR-IOV) holds that card.
  const atAddress = (pci: string | undefined): GPUInfo[] => {
    const own = at(pci);
    return own.length > 0 || pci === undefined ? own : at(wholeOf(machine, pci));
  };
  const part = (parts: readonly GPUInfo[], gi: string | undefined, ci?: string): GPUInfo[] =>
    parts.filter(
      ({ instance }) =>
        instance?.gpuInstance === Number(gi) && (ci === undefined || instance.computeInstance === Number(ci)),
    );
  return (given, resource) => {
    const claim = resource === undefined || !Object.hasOwn(claims, resource) ? undefined : claims[resource];
    if (claim !== undefined) {
      const device = claim.name.exec(given)?.[1];
      return device === undefined ? [] : claim.find(device, look);
    }
    const id = given.replace(replica, "");
    if (address.test(id)) return atAddress(id.toLowerCase().replace(/^0000(?=[0-9a-f]{4}:)/, "")).filter(whole);
    // Google's plugin: "nvidia0", and "nvidia0/gi7" for an instance.
    const [node, minor = "", instance] = /^nvidia(\d+)(?:\/gi(\d+))?$/.exec(id) ?? [];
    if (node !== undefined) {
      const found = atNode(minor);
      return instance === undefined ? found.filter(whole) : part(found, instance);
    }
    // Drivers before 470 called an instance by its GPU and its numbers there.
    const [old, parent, gi, ci] = /^MIG-(GPU-[0-9a-f-]+)\/(\d+)\/(\d+)$/i.exec(id) ?? [];
    const own = gpus.filter(({ uuid }) => uuid !== undefined && uuid === id);
    if (old !== undefined)
      return own.length > 0
        ? own
        : part(
            gpus.filter((gpu) => gpu.parent === parent),
            gi,
            ci,
          );
    // Intel's plugin: the DRM card, and the number of the share in it.
    const card = /^card(\d+)-\d+$/.exec(id)?.[1];
    if (card !== undefined) return gpus.filter((gpu) => gpu.vendor === Vendor.INTEL && gpu.card === Number(card));
    return own;
  };
}
