import { amdgpu } from "./amdgpu.ts";
import { cpu } from "./cpu.ts";
import { disk } from "./disk.ts";
import { intel } from "./intel.ts";
import { kubelet } from "./kubelet.ts";
import { memory } from "./memory.ts";
import { net } from "./net.ts";
import { nvidia } from "./nvidia.ts";
import type { Source } from "./source.ts";
import { system } from "./system.ts";

/** Every source there is. One that finds nothing on this machine to read costs nothing. */
export const sources: readonly Source[] = [nvidia, amdgpu, intel, cpu, memory, disk, net, system, kubelet];
