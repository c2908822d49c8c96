import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { adminText, text } from "../../language.ts";
import { hostAdminPath } from "../../route.ts";
import { AddHost } from "./add.tsx";
import type { Node } from "./call.ts";
import { agoOf, hardwareOf, type Nodes, useNodes, waits } from "./nodes.ts";
import { Notice } from "./notice.tsx";
import { Refused } from "./refused.tsx";
import { countSelected, type Selection } from "./selection.ts";
import { ApproveAll, ApproveButton, State, Troubles, useSameMachines } from "./state.tsx";

/** View of all hosts: first what waits for a decision. */
export function Hosts(): JSX.Element {
  const t = adminText();
  const nodes = useNodes();
  const all = nodes.value.value;
  const error = nodes.error.value;
  useSameMachines(all, "hosts");
  if (all === undefined) return <p class="empty">{error === "" ? text.value.loading : error}</p>;
  const waiting = all.filter(waits);
  const known = all.filter(({ state }) => state !== "waiting");
  return (
    <>
      <Notice place="hosts" />
      {error === "" ? null : <output class="standing">{text.value.partFault(error)}</output>}
      {waiting.length === 0 ? null : (
        <section class="table attention" aria-labelledby="waiting">
          <div class="table-head">
            <h2 id="waiting">{t.waitingHosts(waiting.length)}</h2>
            <ApproveAll waiting={waiting} nodes={nodes} />
          </div>
          <p class="hint">{t.waitingHint}</p>
          <ul>
            {waiting.map((node) => (
              <Waiting node={node} nodes={nodes} key={node.name} />
            ))}
          </ul>
        </section>
      )}
      <AddHost nodes={nodes} open={all.length === 0} />
      {known.length === 0 ? null : <Known nodes={known} />}
      <Refused />
    </>
  );
}

function Waiting({ node, nodes }: { node: Node; nodes: Nodes }): JSX.Element {
  const t = adminText();
  const { registration } = node;
  return (
    <li class="applicant">
      <div>
        <h3>
          <a href={hostAdminPath(node.name)}>{node.shown}</a>
        </h3>
        <p>{hardwareOf(node)}</p>
        {registration === null ? null : (
          <p class="quiet">{t.registeredFrom(agoOf(registration.registered), registration.origin)}</p>
        )}
        <Troubles node={node} />
      </div>
      <ApproveButton node={node} nodes={nodes} place="hosts" />
    </li>
  );
}

function Known({ nodes }: { nodes: readonly Node[] }): JSX.Element {
  const t = adminText();
  const query = useSignal("");
  const words = query.value.trim().toLowerCase();
  const shown = nodes.filter((node) => words === "" || textOf(node).includes(words));
  return (
    <section class="table" aria-label={t.views.hosts}>
      <div class="table-head">
        <h2>{text.value.hosts(nodes.length)}</h2>
        <input
          type="search"
          aria-label={text.value.search}
          placeholder={t.findHost}
          value={query.value}
          onInput={(event) => (query.value = event.currentTarget.value)}
        />
      </div>
      <div class="listing">
        <table>
          <thead>
            <tr>
              <th>{t.host}</th>
              <th>{text.value.state}</th>
              <th>{t.way}</th>
              <th>{t.lastReport}</th>
              <th>{t.recorded}</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((node) => (
              <Row node={node} key={node.name} />
            ))}
          </tbody>
        </table>
      </div>
      {shown.length === 0 ? <p class="quiet">{text.value.nothingFits}</p> : null}
    </section>
  );
}

const textOf = (node: Node): string =>
  [node.name, node.shown, node.group ?? "", node.address ?? "", ...Object.entries(node.labels).flat()]
    .join("\n")
    .toLowerCase();

function Row({ node }: { node: Node }): JSX.Element {
  const t = adminText();
  return (
    <tr>
      <td>
        <a class="host-link" href={hostAdminPath(node.name)}>
          {node.shown}
        </a>{" "}
        {node.shown === node.name ? null : <span class="quiet">{node.name}</span>}
        <Tags node={node} />
      </td>
      <td>
        <State node={node} />
      </td>
      <td data-name={t.way}>
        {text.value.list(node.ways.map((way) => t.ways[way]))} <span class="quiet">{node.address}</span>
      </td>
      <td data-name={t.lastReport}>{node.seen === null ? t.never : agoOf(node.seen)}</td>
      <td data-name={t.recorded}>
        <a href={hostAdminPath(node.name)}>{recordedOf(node)}</a>
      </td>
    </tr>
  );
}

function Tags({ node }: { node: Node }): JSX.Element | null {
  const labels = Object.entries(node.labels);
  if (node.group === null && labels.length === 0) return null;
  return (
    <span class="tags">
      {node.group === null ? null : <span class="chip">{node.group}</span>}
      {labels.map(([key, value]) => (
        <span class="chip" key={key}>
          {value === "" ? key : `${key}: ${value}`}
        </span>
      ))}
    </span>
  );
}

/** How many devices of a kind are recorded; nothing if all are. */
const partOf = <T,>(kind: string, selection: Selection<T>, present: readonly T[]): readonly string[] =>
  selection === null ? [] : [`${kind} ${countSelected(selection, present)}/${present.length}`];

/** "all", or which kinds of devices are recorded in part; and whether the host has taken it. */
function recordedOf(node: Node): string {
  const t = adminText();
  const { gpuIndices, diskMounts, nicNames } = node.config;
  const { gpus, disks, nics } = node.capabilities;
  const parts = [
    ...partOf(
      t.gpus,
      gpuIndices,
      gpus.map(({ index }) => index),
    ),
    ...partOf(
      text.value.disks,
      diskMounts,
      disks.map(({ mount }) => mount),
    ),
    ...partOf(
      text.value.network,
      nicNames,
      nics.map(({ name }) => name),
    ),
  ];
  const late = node.ways.includes("push") && (node.taken?.version ?? 0) < node.configVersion;
  return text.value.list([...(parts.length === 0 ? [t.everything] : parts), ...(late ? [t.notTakenShort] : [])]);
}
