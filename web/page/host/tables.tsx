import type { ComponentChildren, JSX } from "preact";
import { type DiskInfo, type HostInfo, type NicInfo, State } from "../../../proto/gen/host_pb.js";
import { Unit } from "../../../proto/gen/metric_pb.js";
import { size } from "../../../proto/quantity.ts";
import { diskLimit } from "../../../proto/summary.ts";
import { show } from "../../../proto/unit.ts";
import { percentOf } from "../../../proto/verdict.ts";
import { text } from "../../language.ts";
import { Bar, title as capital, Figure } from "../../part/part.tsx";

function Table({
  title,
  head,
  children,
}: {
  title: string;
  head: readonly JSX.Element[];
  children: ComponentChildren;
}): JSX.Element {
  return (
    <section class="table">
      <h2>{title}</h2>
      <div class="listing">
        <table>
          <thead>
            <tr>{head}</tr>
          </thead>
          <tbody>{children}</tbody>
        </table>
      </div>
    </section>
  );
}

const heads = (names: readonly string[], numbers: readonly number[]): JSX.Element[] =>
  names.map((name, i) => (
    <th class={numbers.includes(i) ? "number" : ""} key={name}>
      {name}
    </th>
  ));

const bytes = (value: bigint | undefined): string | undefined =>
  value === undefined ? undefined : size(Number(value));

export function Disks({ disks }: { disks: readonly DiskInfo[] }): JSX.Element | null {
  const t = text.value;
  if (disks.length === 0) return null;
  return (
    <Table title={t.disks} head={heads([t.mount, t.fileSystem, t.used, t.size, t.available], [2, 3, 4])}>
      {disks.map((disk) => {
        const used = percentOf(disk.used, disk.total);
        return (
          <tr key={disk.mount ?? disk.device}>
            <td title={disk.device}>{disk.mount}</td>
            <td>
              {disk.fstype} {disk.readOnly ? <span class="quiet">{t.readOnly}</span> : null}
              {disk.state === State.HUNG || disk.state === State.STALE ? (
                <span class="word broken">{t.sourceStates.hung}</span>
              ) : null}
            </td>
            <td class="number with-bar" data-name={t.used}>
              <Bar
                percent={used}
                tone={used !== undefined && used > diskLimit && !disk.readOnly ? "broken" : "plain"}
              />
              <Figure unit="%">{used === undefined ? undefined : Math.round(used)}</Figure>
            </td>
            <td class="number" data-name={t.size}>
              <Figure>{bytes(disk.total)}</Figure>
            </td>
            <td class="number" data-name={t.available}>
              <Figure>{bytes(disk.available)}</Figure>
            </td>
          </tr>
        );
      })}
    </Table>
  );
}

export function Nics({ nics }: { nics: readonly NicInfo[] }): JSX.Element | null {
  const t = text.value;
  if (nics.length === 0) return null;
  const rate = (value: bigint | undefined): string | undefined =>
    value === undefined ? undefined : show(Number(value), Unit.BYTES_PER_SECOND);
  return (
    <Table
      title={t.network}
      head={heads([t.nic, t.addresses, capital(t.receive), capital(t.transmit), t.speed], [2, 3, 4])}
    >
      {nics.map((nic) => (
        <tr key={nic.name}>
          <td>
            {nic.name} {nic.up === false ? <span class="quiet">{t.down}</span> : null}
          </td>
          <td class="addresses">{nic.addresses.join(" ")}</td>
          <td class="number" data-name={t.receive}>
            <Figure>{rate(nic.rxRate)}</Figure>
          </td>
          <td class="number" data-name={t.transmit}>
            <Figure>{rate(nic.txRate)}</Figure>
          </td>
          <td class="number" data-name={t.speed}>
            <Figure>{nic.speed === undefined ? undefined : gigabits(nic.speed)}</Figure>
          </td>
        </tr>
      ))}
    </Table>
  );
}

/** Speed of a link in bits per second, as links are sold. */
function gigabits(bytesPerSecond: bigint): string {
  const megabits = (Number(bytesPerSecond) * 8) / 1e6;
  return megabits >= 1000 ? `${Number((megabits / 1000).toFixed(1))} Gbit/s` : `${Math.round(megabits)} Mbit/s`;
}

export function Sources({ info }: { info: HostInfo }): JSX.Element | null {
  const t = text.value;
  if (info.sources.length === 0) return null;
  return (
    <Table title={t.sources} head={heads([t.reader, t.state, t.took], [2])}>
      {info.sources.map((source) => (
        <tr key={source.name}>
          <td>{source.name}</td>
          <td>
            {t.sourceStates[stateName(source.state)]} <span class="quiet">{source.err}</span>
          </td>
          <td class="number" data-name={t.took}>
            <Figure>{source.duration === undefined ? undefined : `${(source.duration / 1000).toFixed(1)} ms`}</Figure>
          </td>
        </tr>
      ))}
    </Table>
  );
}

function stateName(state: State | undefined): "ok" | "stale" | "hung" | "lost" | "unsupported" | "unknown" {
  switch (state) {
    case State.OK:
      return "ok";
    case State.STALE:
      return "stale";
    case State.HUNG:
      return "hung";
    case State.LOST:
      return "lost";
    case State.UNSUPPORTED:
      return "unsupported";
    default:
      return "unknown";
  }
}
