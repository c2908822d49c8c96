import type { ComponentChildren, JSX } from "preact";
import type { DiskGlance, Glance } from "../../proto/glance.ts";
import { size, sizePair } from "../../proto/quantity.ts";
import { compareNames, diskLimit } from "../../proto/summary.ts";
import { percentOf } from "../../proto/verdict.ts";
import { text } from "../language.ts";
import { Bar, Figure } from "./part.tsx";

/**
 * Readings of the host itself: CPU, memory, load, network, disks, in the same columns for every host; null for one that
 * tells its GPUs alone, as a client of the GPU Metrics Logger.
 */
export function Vitals({ info }: { info: Glance }): JSX.Element | null {
  const t = text.value;
  const { cpu, memory, system, nics, disks } = info;
  if (!cpu && !memory && !system && nics.length + disks.length === 0) return null;
  const used = memory?.used === undefined ? undefined : Number(memory.used);
  const mem = memory?.total === undefined ? undefined : sizePair(used, Number(memory.total));
  return (
    <dl class="vitals">
      <Vital name={t.cpu} percent={cpu?.busy}>
        <Figure unit="%">{cpu?.busy === undefined ? undefined : Math.round(cpu.busy)}</Figure>
      </Vital>
      <Vital name={t.hostMemory} percent={percentOf(memory?.used, memory?.total)}>
        <Figure>{mem?.used}</Figure>
        {mem && (
          <small>
            /{mem.total} {mem.unit}
          </small>
        )}
      </Vital>
      <Vital name={t.load} percent={loadShare(info)}>
        <Figure>{system?.load1?.toFixed(system.load1 < 100 ? 1 : 0)}</Figure>
        <small>{cpu?.threads === undefined ? "" : `/${cpu.threads}`}</small>
      </Vital>
      <Network info={info} />
      <Disk disks={info.disks} />
    </dl>
  );
}

function loadShare({ cpu, system }: Glance): number | undefined {
  return system?.load1 === undefined || !cpu?.threads ? undefined : (system.load1 / cpu.threads) * 100;
}

interface VitalProps {
  readonly name: string;
  readonly percent?: number | undefined;
  readonly plain?: boolean;
  readonly tone?: string;
  readonly children: ComponentChildren;
}

function Vital({ name, percent, plain, tone, children }: VitalProps): JSX.Element {
  return (
    <div class={plain ? "vital wide" : "vital"}>
      <dt>{name}</dt>
      <dd>{children}</dd>
      {plain ? null : <Bar percent={percent} tone={tone ?? ((percent ?? 0) >= 90 ? "high" : "plain")} />}
    </div>
  );
}

/** Traffic of all interfaces in bytes per second, without those on top of others; undefined if not measured. */
export function rates(info: Glance): { rx: number | undefined; tx: number | undefined } {
  let rx: number | undefined;
  let tx: number | undefined;
  for (const nic of info.nics) {
    if (nic.lower.length > 0) continue;
    if (nic.rxRate !== undefined) rx = (rx ?? 0) + Number(nic.rxRate);
    if (nic.txRate !== undefined) tx = (tx ?? 0) + Number(nic.txRate);
  }
  return { rx, tx };
}

function Network({ info }: { info: Glance }): JSX.Element {
  const t = text.value;
  const { rx, tx } = rates(info);
  return (
    <Vital name={t.network} plain>
      <span class="rate" title={t.receive}>
        ↓<Figure unit="/s">{rx === undefined ? undefined : size(rx)}</Figure>
      </span>
      <span class="rate" title={t.transmit}>
        ↑<Figure unit="/s">{tx === undefined ? undefined : size(tx)}</Figure>
      </span>
    </Vital>
  );
}

/** The fullest disk, shown for all; the page of the host lists them. */
export function fullest(disks: readonly DiskGlance[]): DiskGlance | undefined {
  const counted = disks.filter((disk) => percentOf(disk.used, disk.total) !== undefined && disk.readOnly !== true);
  return counted.sort(
    (a, b) =>
      (percentOf(b.used, b.total) ?? 0) - (percentOf(a.used, a.total) ?? 0) ||
      compareNames(a.mount ?? "", b.mount ?? ""),
  )[0];
}

const percentText = (share: number | undefined): string => (share === undefined ? "–" : `${Math.round(share)}%`);

function Disk({ disks }: { disks: readonly DiskGlance[] }): JSX.Element {
  const t = text.value;
  const disk = fullest(disks);
  const used = disk === undefined ? undefined : percentOf(disk.used, disk.total);
  const all = disks.map((d) => `${d.mount ?? d.device ?? ""} ${percentText(percentOf(d.used, d.total))}`).join("\n");
  const full = used !== undefined && used > diskLimit;
  return (
    <Vital name={t.disk} percent={used} tone={full ? "broken" : "plain"}>
      <span class={full ? "fullest hot" : "fullest"} title={all}>
        <Figure unit="%">{used === undefined ? undefined : Math.round(used)}</Figure>{" "}
        <small class="mount">{disk?.mount}</small>
      </span>
    </Vital>
  );
}
