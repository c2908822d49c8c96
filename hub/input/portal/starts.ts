import type { HostInfo } from "../../../proto/gen/host_pb.js";
import { allInterfaces, exporter } from "./report.ts";

/** A machine's uptime that falls by less may be that of a clock which was set. Seconds. */
const setBackSec = 60n;

/**
 * Finds the first report of a Lab Exporter after its start. All of its rates are 0, because the exporter has no earlier
 * counters, and 0 is also what it sends for an interface without traffic.
 */
export class Starts {
  /** True until its first report. */
  #registered: boolean;
  /** True if it asked again for a configuration that it had. */
  #asked = false;
  #uptime: bigint | undefined;

  /** @param registered true if it has only just registered */
  constructor(registered: boolean) {
    this.#registered = registered;
  }

  register(): void {
    this.#registered = true;
  }

  /** Notes that it asks for a configuration that it has. */
  askAgain(): void {
    this.#asked = true;
  }

  /** Removes rates that are 0 from a first report. */
  apply(info: HostInfo): void {
    const isFirst = this.#isFirst(info);
    this.#registered = false;
    this.#asked = false;
    this.#uptime = info.system?.uptime;
    if (!isFirst || !info.nics.every(({ rxRate, txRate }) => !rxRate && !txRate)) return;
    for (const nic of info.nics) Object.assign(nic, { rxRate: undefined, txRate: undefined });
  }

  #isFirst({ agentVersion, system, nics }: HostInfo): boolean {
    if (agentVersion !== exporter) return false;
    const { uptime } = system ?? {};
    const isRebooted = uptime !== undefined && this.#uptime !== undefined && uptime + setBackSec < this.#uptime;
    // The first release, which lists no interfaces, asks now and then without a reason.
    const isAsking = this.#asked && nics.some(({ name }) => name !== allInterfaces);
    return this.#registered || isRebooted || isAsking;
  }
}
