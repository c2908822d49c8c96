// Readings of a simulated machine with eight GPUs, for benchmarks of the hub.
import type { Info } from "../test/host.ts";

let turn = 0;

/** Returns a number that oscillates around `mid`, as readings do: neither constant nor noise. */
export const wander = (mid: number, by: number, phase: number): number =>
  Math.round(mid + by * Math.sin(turn / 40 + phase) + (turn % 3));

/** Goes on in time: the next readings are others. */
export function pass(): void {
  turn++;
}

export function info(): Info {
  pass();
  const sampled = BigInt(Date.now());
  return {
    id: "5",
    hostname: "node",
    ip: "10.0.0.5",
    agentVersion: "0",
    sampled,
    gpus: Array.from({ length: 8 }, (_, id) => ({
      id,
      uuid: `GPU-0000-${id}`,
      name: "NVIDIA H100 80GB HBM3",
      memUsed: BigInt(wander(60_000, 9_000, id)) * 1_048_576n,
      memTotal: 85_520_809_984n,
      utilization: wander(80, 15, id),
      temp: wander(60, 8, id),
      power: wander(500_000, 150_000, id),
      state: 1,
      sampled,
      procs: Array.from({ length: 3 }, (_, i) => ({
        pid: 1000 + id * 10 + i,
        uid: 1000 + i,
        username: "somebody",
        basename: "python3",
        mem: BigInt(wander(20_000, 3_000, i)) * 1_048_576n,
        compute: true,
      })),
    })),
    disks: [
      { device: "/dev/nvme0n1p2", mount: "/", used: BigInt(10n ** 12n), total: 2n * 10n ** 12n, sampled, state: 1 },
    ],
    cpu: { busy: wander(40, 20, 0), threads: 128 },
    memory: { used: BigInt(wander(400_000, 90_000, 1)) * 1_048_576n },
    nics: [{ name: "eth0", rxRate: BigInt(wander(1e8, 5e7, 1)), txRate: BigInt(wander(1e8, 5e7, 2)) }],
    system: { load1: wander(50, 20, 3) },
  };
}
