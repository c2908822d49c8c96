import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { Idle } from "../../proto/gen/feed_pb.js";
import type { GPUGlance, ProcGlance } from "../../proto/glance.ts";
import { size, sizePair } from "../../proto/quantity.ts";
import { podsOf, userOf } from "../../proto/summary.ts";
import {
  type CardFault,
  cardFaults,
  cardName,
  harmfulThrottles,
  holdingProcs,
  isDiscrete,
  modelOf,
  percentOf,
  utilizationOf,
  type Verdict,
} from "../../proto/verdict.ts";
import { printing } from "../choice.ts";
import { text } from "../language.ts";
import { Bar, Figure, Mark, Spoken } from "./part.tsx";

export interface RowProps {
  readonly gpu: GPUGlance;
  readonly verdict: Verdict;
  /** The card that an instance belongs to. */
  readonly parent?: GPUGlance | undefined;
  /** True if its host answered recently: a missing value was not read then. */
  readonly fresh: boolean;
  /** Since when it has been held without computing; undefined if it computes. */
  readonly idle?: Idle | undefined;
  /** The hub's clock in Unix milliseconds. */
  readonly now: number;
  /** True if its host waits for approval, which is said of the host: the card has no state. */
  readonly waiting?: boolean;
  /** Shows its holders as buttons that filter the page; undefined if its processes are listed elsewhere. */
  readonly chips?: { readonly user: string; onUser(user: string): void };
}

/** Temperature in °C from which a card throttles, or soon will. */
const hot = 85;

/** Table row of a card: model, readings and holders. */
export function CardRow(props: RowProps): JSX.Element {
  const { gpu, verdict } = props;
  const t = text.value;
  const slow = gpu.throttle.some((reason) => harmfulThrottles.has(reason));
  return (
    <tr class={`card ${verdict}`}>
      <th class="id" scope="row" title={`${t.verdict[verdict]}: ${t.verdictHint[verdict]}`}>
        <Mark of={verdict} />
        {gpu.id === undefined ? "?" : cardName(gpu.id)}
        <Spoken>{t.verdict[verdict]}</Spoken>
      </th>
      <td class="model" title={gpu.name}>
        {gpu.name ? modelOf(gpu) : <span class="absent">–</span>}
      </td>
      <td class="util">
        <Bar percent={utilizationOf(gpu)} tone={verdict} />
        <Figure unit="%">{utilizationOf(gpu)}</Figure>
      </td>
      <Memory gpu={gpu} verdict={verdict} />
      <td class={`temp ${(gpu.temp ?? 0) >= hot || slow ? "hot" : ""}`}>
        <Figure unit="°C">{gpu.temp}</Figure>
      </td>
      <Power gpu={gpu} />
      <td class="fan">{gpu.fanspeed === undefined ? null : <Figure unit="%">{gpu.fanspeed}</Figure>}</td>
      <Who {...props} />
    </tr>
  );
}

function Memory({ gpu, verdict }: { gpu: GPUGlance; verdict: Verdict }): JSX.Element {
  const used = gpu.memUsed === undefined ? undefined : Number(gpu.memUsed);
  const shown = gpu.memTotal === undefined ? undefined : sizePair(used, Number(gpu.memTotal));
  return (
    <td class="mem">
      <Bar percent={percentOf(gpu.memUsed, gpu.memTotal)} tone={`memory ${verdict}`} />
      <span class="pair">
        <Figure>{shown?.used}</Figure>
        {shown && (
          <small>
            /{shown.total} {shown.unit}
          </small>
        )}
      </span>
    </td>
  );
}

function Power({ gpu }: { gpu: GPUGlance }): JSX.Element {
  return (
    <td class="power">
      <Figure>{gpu.power === undefined ? undefined : Math.round(gpu.power / 1000)}</Figure>
      {gpu.power === undefined && gpu.powerLimit === undefined ? null : (
        <small>{gpu.powerLimit === undefined ? " W" : `/${Math.round(gpu.powerLimit / 1000)} W`}</small>
      )}
    </td>
  );
}

interface Group {
  readonly user: string;
  readonly command: string;
  count: number;
  /** Bytes; undefined if unknown for all of them. */
  memory: number | undefined;
  utilization: number | undefined;
}

/** Groups processes by user and command, largest first: eight workers of one training are one line. */
export function groups(procs: readonly ProcGlance[]): Group[] {
  const found = new Map<string, Group>();
  for (const proc of procs) {
    const user = userOf(proc);
    const command = proc.basename ?? "";
    const key = `${user}\0${command}`;
    const group = found.get(key) ?? { user, command, count: 0, memory: undefined, utilization: undefined };
    group.count++;
    if (proc.mem !== undefined) group.memory = (group.memory ?? 0) + Number(proc.mem);
    if (proc.utilization !== undefined) group.utilization = (group.utilization ?? 0) + proc.utilization;
    found.set(key, group);
  }
  return [...found.values()].sort((a, b) => (b.memory ?? 0) - (a.memory ?? 0));
}

/** Pods that a card without visible processes is allocated to, as groups. */
function given(gpu: GPUGlance): Group[] {
  return podsOf(gpu).map((user) => ({ user, command: "", count: 1, memory: undefined, utilization: undefined }));
}

const folded = 3;

function Who(props: RowProps): JSX.Element {
  const { gpu, chips } = props;
  const open = useSignal(false);
  const t = text.value;
  const all = chips === undefined ? [] : gpu.procs.length > 0 ? groups(gpu.procs) : given(gpu);
  const shown = open.value || printing.value ? all : all.slice(0, folded);
  const rest = all.length - shown.length;
  return (
    <td class="who">
      <Words {...props} />
      {shown.map((group) => (
        <button
          type="button"
          class={`chip ${group.user === chips?.user ? "chosen" : ""}`}
          key={`${group.user}\0${group.command}`}
          title={[group.user, group.command, t.onlyUser(group.user)].filter(Boolean).join(" · ")}
          onClick={() => chips?.onUser(group.user)}
        >
          <span>
            <b>{group.user}</b> {group.command}
          </span>
          {group.count > 1 ? <i> {t.times(group.count)}</i> : null}
          {group.memory === undefined ? null : <small> {size(group.memory)}</small>}
          {group.utilization === undefined ? null : <small> {group.utilization}%</small>}
        </button>
      ))}
      {all.length > folded ? (
        <button type="button" class="fold" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
          {open.value ? "−" : `+${rest}`}
          <Spoken>{open.value ? t.fewer : t.more(rest)}</Spoken>
        </button>
      ) : null}
    </td>
  );
}

function Words({ gpu, parent, verdict, fresh, waiting = false, idle, now }: RowProps): JSX.Element {
  const t = text.value;
  const broken: CardFault[] = cardFaults(gpu, parent);
  const slowed = gpu.throttle.filter((reason) => harmfulThrottles.has(reason));
  const seconds = idle === undefined ? 0 : (now - Number(idle.since)) / 1000;
  return (
    <>
      {verdict === "free" ? <span class="word free">{t.verdict.free}</span> : null}
      {verdict === "held" ? (
        <span class="word held">
          {idle !== undefined && seconds >= 60 ? t.idleFor(t.span(seconds), idle.orLonger) : t.verdict.held}
        </span>
      ) : null}
      {gpu.integrated ? <span class="quiet">{t.integrated}</span> : null}
      {gpu.memoryShared ? <span class="quiet">{t.memoryShared}</span> : null}
      {gpu.procsUnknown ? <span class="quiet">{t.processesUnknown}</span> : null}
      {gpu.asleep ? <span class="quiet">{t.asleep}</span> : null}
      {verdict === "unknown" && !waiting && broken.length === 0 && isDiscrete(gpu) ? (
        <span class="word unknown">{!fresh ? t.lastKnown : gpu.divided ? t.divided : t.verdict.unknown}</span>
      ) : null}
      {broken.map((fault) => (
        <span class="word broken" key={fault.kind} title={gpu.err ?? ""}>
          {t.fault(fault)}
        </span>
      ))}
      {slowed.length > 0 ? (
        <span class="word broken">{t.slowed(t.list(slowed.map((reason) => t.throttle[reason])))}</span>
      ) : null}
      {holdingProcs(gpu).length + gpu.holders.length === 0 &&
      !gpu.procsUnknown &&
      (verdict === "held" || verdict === "busy") ? (
        <span class="quiet">{t.noProcess}</span>
      ) : null}
    </>
  );
}

/** Names of the columns: visible once above the list, and for screen readers in every table. */
export function RowHead(): JSX.Element {
  const t = text.value;
  const names = [
    ["id", t.state],
    ["model", t.model],
    ["util", t.utilization],
    ["mem", t.memory],
    ["temp", t.temperature],
    ["power", t.power],
    ["fan", t.fan],
    ["who", t.processes],
  ] as const;
  return (
    <tr class="card head">
      {names.map(([place, name]) => (
        <th class={place} scope="col" key={place}>
          {name}
        </th>
      ))}
    </tr>
  );
}
