import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { type GPUInfo, type Holder, type HostInfo, type ProcInfo, Throttle } from "../../../proto/gen/host_pb.js";
import { Unit } from "../../../proto/gen/metric_pb.js";
import { size } from "../../../proto/quantity.ts";
import { noCardsReason, podOf, userOf } from "../../../proto/summary.ts";
import { show } from "../../../proto/unit.ts";
import { cardName, keysOf, parentOf, verdict } from "../../../proto/verdict.ts";
import { printing } from "../../choice.ts";
import { text, timeOf } from "../../language.ts";
import { Figure } from "../../part/part.tsx";
import { CardRow, RowHead } from "../../part/row.tsx";
import { fleet, type HostEntry } from "../../store.ts";
import type { Text } from "../../text/text.ts";

/** Every card of the host: its row, details and processes. */
export function Cards({ entry, info, fresh }: { entry: HostEntry; info: HostInfo; fresh: boolean }): JSX.Element {
  const t = text.value;
  if (info.gpus.length === 0) return <p class="quiet no-cards">{noCardsReason(info) ?? t.noCards}</p>;
  const keys = keysOf(info.gpus);
  const { waiting } = entry.host.value;
  return (
    <section class="card-list" aria-label={t.cards(info.gpus.length)}>
      <table class="columns" aria-hidden="true">
        <thead>
          <RowHead />
        </thead>
      </table>
      {info.gpus.map((gpu, i) => {
        const key = keys[i] ?? "";
        const name = t.card(cardName(gpu.id ?? i));
        return (
          <article class="whole-card" key={key} aria-label={name}>
            <table class="cards" aria-label={name}>
              <thead class="spoken">
                <RowHead />
              </thead>
              <tbody>
                <CardRow
                  gpu={gpu}
                  verdict={waiting ? "unknown" : verdict(gpu, fresh, parentOf(info.gpus, gpu))}
                  waiting={waiting}
                  parent={parentOf(info.gpus, gpu)}
                  fresh={fresh}
                  idle={entry.idle.value.get(key)}
                  now={fleet.now.peek()}
                />
              </tbody>
            </table>
            <div class="below">
              <Behind gpu={gpu} />
              {gpu.procs.length === 0 ? null : <Processes procs={gpu.procs} now={info.sampled} />}
            </div>
          </article>
        );
      })}
    </section>
  );
}

function Behind({ gpu }: { gpu: GPUInfo }): JSX.Element {
  const t = text.value;
  const megahertz = (value: number | undefined): string => (value === undefined ? "–" : show(value, Unit.MEGAHERTZ));
  const reasons = gpu.throttle.filter((reason) => reason !== Throttle.IDLE);
  const xids = Number(gpu.xidCount ?? 0n);
  const memoryUse = gpu.memUtilizationExact ?? gpu.memUtilization;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ["UUID", gpu.uuid],
    ["PCI", gpu.pciBusId],
    ["DRM", gpu.card === undefined ? undefined : `card${gpu.card}`],
    ["PCIe", [linkOf(gpu), trafficOf(gpu.pcieRxRate, gpu.pcieTxRate, t)].filter(Boolean).join(" · ")],
    ["NVLink", [linksOf(gpu), trafficOf(gpu.nvlink?.rxRate, gpu.nvlink?.txRate, t)].filter(Boolean).join(" · ")],
    ["Pod", t.list(gpu.holders.map(containerOf))],
    [
      t.clocks,
      gpu.clockSm === undefined && gpu.clockMem === undefined
        ? undefined
        : `${t.clockSm} ${megahertz(gpu.clockSm)} · ${t.clockMemory} ${megahertz(gpu.clockMem)}`,
    ],
    [t.memoryUse, memoryUse === undefined ? undefined : `${memoryUse}%`],
    [
      t.limits,
      gpu.throttle.length === 0 ? undefined : t.list(reasons.map((r) => t.throttle[r] ?? t.throttle[0])) || t.noLimits,
    ],
    [
      t.ecc,
      gpu.eccCorrected === undefined && gpu.eccUncorrected === undefined
        ? undefined
        : t.eccCount(String(gpu.eccCorrected ?? "–"), String(gpu.eccUncorrected ?? "–")),
    ],
    [
      t.xid,
      // Without a last event all of them were before the last reset.
      xids === 0 || gpu.xidLast === undefined
        ? undefined
        : t.xidCount(
            xids,
            gpu.xidLast,
            gpu.xidTime === undefined ? "–" : timeOf(Number(gpu.xidTime), fleet.now.peek()),
          ),
    ],
    [t.state, gpu.err],
  ];
  return (
    <dl class="behind">
      {facts.map(([name, words]) =>
        words === undefined || words === "" ? null : (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{words}</dd>
          </div>
        ),
      )}
    </dl>
  );
}

/** PCIe link as "5 ×16", followed by its maximum if that is more: an idle card slows its link down. */
function linkOf({ pcie }: GPUInfo): string | undefined {
  if (pcie?.generation === undefined || pcie.width === undefined) return undefined;
  const now = `${pcie.generation} ×${pcie.width}`;
  const most = `${pcie.generationMax ?? pcie.generation} ×${pcie.widthMax ?? pcie.width}`;
  return now === most ? now : `${now} / ${most}`;
}

/** NVLink links that are up, and links expected: "18 / 18". */
function linksOf({ nvlink }: GPUInfo): string | undefined {
  return nvlink?.linksUp === undefined ? undefined : `${nvlink.linksUp} / ${nvlink.linksExpected ?? "–"}`;
}

/** Traffic to and from a card, from bytes per second. */
function trafficOf(received: bigint | undefined, sent: bigint | undefined, t: Text): string | undefined {
  if (received === undefined || sent === undefined) return undefined;
  const rate = (value: bigint): string => show(Number(value), Unit.BYTES_PER_SECOND);
  return t.list([`${t.receive} ${rate(received)}`, `${t.transmit} ${rate(sent)}`]);
}

/** Container of a pod: "lab/train-0 (worker)". */
const containerOf = (holder: Holder): string => `${podOf(holder)}${holder.container ? ` (${holder.container})` : ""}`;

/** Slurm job, pod and container of a process. */
function placeOf({ container, pod, podName, podNamespace, job }: ProcInfo): string | undefined {
  const named = podName && `Pod ${podNamespace}/${podName}`;
  const places = [job && `Slurm ${job}`, named, pod && `Pod ${pod}`, container && `Container ${container}`];
  return places.filter(Boolean).join(" · ") || undefined;
}

/** Memory of a process: of the card, and of the host if that is more. */
function Memory({ mem, hostMem = 0n }: Pick<ProcInfo, "mem" | "hostMem">): JSX.Element {
  const part = hostMem > (mem ?? 0n) ? text.value.hostPart(size(Number(hostMem))) : undefined;
  if (mem === undefined && part !== undefined) return <small>{part}</small>;
  return (
    <>
      <Figure>{mem === undefined ? undefined : size(Number(mem))}</Figure>
      {part === undefined ? null : <small> + {part}</small>}
    </>
  );
}

/** Number of processes listed at first, those with the most memory. */
const listed = 12;

/** @param now Clock of the machine in Unix milliseconds, as start times are; undefined if not sent. */
function Processes({ procs, now }: { procs: readonly ProcInfo[]; now: bigint | undefined }): JSX.Element {
  const t = text.value;
  const open = useSignal(false);
  const sorted = [...procs].sort((a, b) => Number((b.mem ?? 0n) - (a.mem ?? 0n)));
  const shown = open.value || printing.value || sorted.length <= listed + 1 ? sorted : sorted.slice(0, listed);
  return (
    <div class="listing">
      <table>
        <thead>
          <tr>
            <th class="number">{t.pid}</th>
            <th>{t.user}</th>
            <th>{t.command}</th>
            <th class="number">{t.memory}</th>
            <th class="number">{t.utilization}</th>
            <th class="number">{t.started}</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((proc) => (
            <tr key={proc.pid}>
              <td class="number" data-name={t.pid}>
                {proc.pid}
              </td>
              <td>{userOf(proc)}</td>
              <td class="command" title={placeOf(proc)}>
                {proc.basename}
                {proc.job === undefined ? null : <small> Slurm {proc.job}</small>}
                {proc.podName === undefined ? null : (
                  <small>
                    {" "}
                    {proc.podNamespace}/{proc.podName}
                  </small>
                )}
                {proc.elsewhere ? <small> {t.elsewhere}</small> : null}
              </td>
              <td class="number">
                <Memory {...proc} />
              </td>
              <td class="number">
                <Figure unit="%">{proc.utilization}</Figure>
              </td>
              <td class="number" data-name={t.started}>
                <Figure>
                  {proc.started === undefined || now === undefined
                    ? undefined
                    : t.span(Number(now - proc.started) / 1000)}
                </Figure>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {sorted.length > listed + 1 ? (
        <button type="button" class="more" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
          {open.value ? t.fewer : t.more(sorted.length - listed)}
        </button>
      ) : null}
    </div>
  );
}
