import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { GPUInfoSchema, Vendor } from "../../../proto/gen/host_pb.js";
import { machineOf } from "../../../test/machine.ts";
import { finder } from "./device.ts";

const instance = (gpuInstance: number, computeInstance = 0) => ({ gpuInstance, computeInstance });
const gpus = [
  { id: 0, vendor: Vendor.NVIDIA, uuid: "GPU-aa01", pciBusId: "0000:1b:00.0" },
  { id: 1, vendor: Vendor.NVIDIA, uuid: "GPU-bb02", pciBusId: "0000:43:00.0", divided: true },
  { id: 2001, uuid: "MIG-cc03", parent: "GPU-bb02", pciBusId: "0000:43:00.0", instance: instance(7) },
  { id: 2002, uuid: "MIG-dd04", parent: "GPU-bb02", pciBusId: "0000:43:00.0", instance: instance(7, 1) },
  { id: 2, vendor: Vendor.AMD, uuid: "GPU-00000000000000ff", pciBusId: "0000:c1:00.0", card: 9 },
  { id: 3, vendor: Vendor.INTEL, uuid: "pci-0000_d1_00_0", pciBusId: "0000:d1:00.0", card: 1 },
].map((gpu) => create(GPUInfoSchema, gpu));

// The second card came up first: the driver's nodes are not numbered as it counts.
const machine = machineOf({
  link: (path) => (path === "/sys/bus/pci/devices/0000:d1:00.2/physfn" ? "../0000:d1:00.0" : undefined),
  lists: { "/proc/driver/nvidia/gpus": ["0000:1B:00.0", "0000:43:00.0"] },
  files: {
    "/proc/driver/nvidia/gpus/0000:1B:00.0/information": "Model: \t NVIDIA A100\nDevice Minor: \t 1\n",
    "/proc/driver/nvidia/gpus/0000:43:00.0/information": "Model: \t NVIDIA A100\nDevice Minor: \t 0\n",
  },
});

test.each([
  ["NVIDIA's plugin", "GPU-aa01", [0]],
  ["NVIDIA's plugin, in time slices", "GPU-aa01::3", [0]],
  ["NVIDIA's plugin, an instance", "MIG-dd04", [2002]],
  ["NVIDIA's plugin, an instance in time slices", "MIG-cc03::0", [2001]],
  ["NVIDIA's plugin, an instance by its old name", "MIG-GPU-bb02/7/1", [2002]],
  ["Google's plugin, by the device's node", "nvidia1", [0]],
  ["Google's plugin, shared", "nvidia1/vgpu2", [0]],
  ["Google's plugin, a divided card", "nvidia0", [1]],
  ["Google's plugin, an instance with all that it is divided into", "nvidia0/gi7", [2001, 2002]],
  ["Google's plugin, an instance that is shared", "nvidia0/gi7/vgpu1", [2001, 2002]],
  ["AMD's plugin, by address", "0000:c1:00.0", [2]],
  ["AMD's plugin, in time slices", "0000:c1:00.0-slice-1", [2]],
  ["an address, which is the whole card's and not its instances'", "0000:43:00.0", [1]],
  ["an address as NVML writes it", "00000000:1B:00.0", [0]],
  ["Intel's plugin", "card1-0", [3]],
  ["AMD's card of that number, which Intel's plugin does not mean", "card9-0", []],
  ["a device that this machine does not have", "GPU-ee05", []],
  ["a node that this machine does not have", "nvidia7", []],
  ["an instance that is not there", "MIG-GPU-bb02/1/0", []],
  ["another kind of device", "mlx5_0", []],
  ["nothing", "", []],
])("%s: %j is GPU %j", (_, id, wanted) => {
  expect(finder(machine, gpus)(id).map((gpu) => gpu.id)).toEqual(wanted);
});

test.each([
  ["NVIDIA's driver, by the device's node", "gpu.nvidia.com", "gpu-1", [0]],
  ["NVIDIA's driver, a divided card", "gpu.nvidia.com", "gpu-0", [1]],
  ["NVIDIA's driver, an instance: nobody knows which", "gpu.nvidia.com", "gpu-0-mig-1g5gb-19-4", []],
  ["NVIDIA's driver, a card that this machine does not have", "gpu.nvidia.com", "gpu-7", []],
  ["AMD's driver, by card and render node", "gpu.amd.com", "gpu-9-136", [2]],
  ["AMD's driver, Intel's card of that number", "gpu.amd.com", "gpu-1-128", []],
  ["AMD's driver, a partition that is yet to be made", "gpu.amd.com", "gpu-9-cpx-nps4", []],
  ["Intel's driver, by address", "gpu.intel.com", "0000-d1-00-0-0x56c0", [3]],
  ["Intel's driver, a share of a card", "gpu.intel.com", "0000-d1-00-2-0x56c0", [3]],
  ["Intel's driver, another card's address", "gpu.intel.com", "0000-d2-00-0-0x56c0", []],
  ["another driver", "compute-domain.nvidia.com", "channel-0", []],
  ["a driver whose name is a word of the language", "constructor", "gpu-1", []],
])("a claim of %s (%s): %j is GPU %j", (_, driver, name, wanted) => {
  expect(finder(machine, gpus)(name, driver).map((gpu) => gpu.id)).toEqual(wanted);
});

test("where the driver does not tell the numbers of its nodes, no GPU is guessed", () => {
  expect(finder(machineOf({}), gpus)("nvidia0")).toEqual([]);
});

test("no id makes it fail, or names a GPU that does not bear the id's own words", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.stringMatching(/^(GPU-|MIG-|nvidia|card|0000:|0000-|gpu-)[0-9a-f:./x-]*$/)),
      fc.constantFrom("nvidia.com/gpu", "gpu.nvidia.com", "gpu.amd.com", "gpu.intel.com"),
      (id, resource) => {
        finder(machine, gpus)(id, resource);
      },
    ),
  );
  const nameless = [create(GPUInfoSchema, { id: 0 })];
  fc.assert(fc.property(fc.string(), (id) => finder(machineOf({}), nameless)(id).length === 0));
});
