import { clean } from "../../proto/clean.ts";
import { gpuKey } from "../../proto/device.ts";
import type { HostInfo } from "../../proto/gen/host_pb.js";

/** A device that was not reported for so long makes room for another one. */
const unseenMs = 86_400_000;

/** Limits how many devices a host reports over a day: of names that change with every report, history would keep each one. */
export class DeviceLimit {
  /** When each device was reported last, Unix milliseconds; the longest ago first. */
  readonly #seen = new Map<string, number>();

  /**
   * Removes devices over the limit from a report, in place: GPUs come first, then filesystems, then interfaces.
   * @returns how many
   */
  apply(info: HostInfo, most: number, now: number): number {
    const before = info.gpus.length + info.disks.length + info.nics.length;
    const fits = (key: string): boolean => this.#fits(clean(key), most, now);
    info.gpus = info.gpus.filter((gpu) => fits(`gpu ${gpuKey(gpu)}`));
    info.disks = info.disks.filter(({ mount, device }) => fits(`disk ${mount ?? device ?? ""}`));
    info.nics = info.nics.filter(({ name }) => fits(`nic ${name ?? ""}`));
    return before - info.gpus.length - info.disks.length - info.nics.length;
  }

  #fits(key: string, most: number, now: number): boolean {
    if (!this.#seen.delete(key) && this.#seen.size >= most) {
      const [oldest] = this.#seen;
      if (oldest === undefined || now - oldest[1] < unseenMs) return false;
      this.#seen.delete(oldest[0]);
    }
    this.#seen.set(key, now);
    return true;
  }
}
