import type { JSX } from "preact";
import type { HostInfo } from "../../../proto/gen/host_pb.js";
import type { HostGlance } from "../../../proto/glance.ts";
import { sizePair } from "../../../proto/quantity.ts";
import { text, timeOf } from "../../language.ts";
import { fleet } from "../../store.ts";

/** Properties of a host that rarely change. */
export function Facts({ host, info }: { host: HostGlance; info: HostInfo }): JSX.Element {
  const t = text.value;
  const { cpu, memory, system } = info;
  const swap = memory?.swapTotal
    ? sizePair(memory.swapUsed === undefined ? undefined : Number(memory.swapUsed), Number(memory.swapTotal))
    : undefined;
  const facts: readonly (readonly [string, string | undefined])[] = [
    [
      t.address,
      [host.address, info.hostname, info.ip].filter((word, i, all) => word && all.indexOf(word) === i).join(" · "),
    ],
    [t.group, host.group],
    [
      t.labels,
      Object.entries(host.labels)
        .map(([label, value]) => (value === "" ? label : `${label}: ${value}`))
        .join(" · "),
    ],
    [t.os, [system?.os, system?.osVersion].filter(Boolean).join(" ")],
    [t.kernel, system?.kernel],
    ["NVIDIA", drivers(system?.driverVersion, system?.cudaVersion)],
    [t.cpu, [cpu?.model, cpu?.threads === undefined ? undefined : t.threads(cpu.threads)].filter(Boolean).join(" · ")],
    [t.swap, swap && `${swap.used ?? "–"}/${swap.total} ${swap.unit}`],
    [t.load, loads([system?.load1, system?.load5, system?.load15])],
    [t.processes, system?.processes?.toString()],
    [t.uptime, system?.uptime === undefined ? undefined : t.span(Number(system.uptime))],
    [t.agent, info.agentVersion],
    [t.answered, host.seen === undefined ? undefined : timeOf(Number(host.seen), fleet.now.value)],
  ];
  return (
    <dl class="fact-list">
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

function loads(over: readonly (number | undefined)[]): string | undefined {
  return over.every((load) => load === undefined) ? undefined : over.map((load) => load?.toFixed(2) ?? "–").join(" ");
}

function drivers(driver: string | undefined, cuda: string | undefined): string | undefined {
  const t = text.value;
  return [driver && t.driver(driver), cuda && t.cuda(cuda)].filter(Boolean).join(" · ");
}
