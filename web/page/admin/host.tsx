import type { JSX } from "preact";
import { adminText, saidIn, text } from "../../language.ts";
import { Mark } from "../../part/part.tsx";
import { hostPath } from "../../route.ts";
import type { Node } from "./call.ts";
import { Devices } from "./devices.tsx";
import { Identity } from "./identity.tsx";
import { agoOf, hardwareOf, momentOf, type Nodes, useNodes, waits } from "./nodes.ts";
import { Notice } from "./notice.tsx";
import { Removal } from "./removal.tsx";
import { ApproveButton, registeredAs, State, useSameMachines } from "./state.tsx";

/** Everything that an administrator can set for one host. */
export function HostPanel({ name }: { name: string }): JSX.Element {
  const nodes = useNodes();
  const all = nodes.value.value;
  const error = nodes.error.value;
  useSameMachines(all, "host");
  if (all === undefined) return <p class="empty">{error === "" ? text.value.loading : error}</p>;
  const node = all.find((one) => one.name === name) ?? all.find((one) => one.shown === name) ?? registeredAs(all, name);
  if (node === undefined) return <p class="empty">{text.value.unknownHost(name)}</p>;
  return (
    <>
      {error === "" ? null : <output class="standing">{text.value.partFault(error)}</output>}
      <Head node={node} nodes={nodes} />
      <Devices node={node} nodes={nodes} key={`${node.name} devices`} />
      <Identity node={node} all={all} nodes={nodes} key={`${node.name} identity`} />
      <Removal node={node} nodes={nodes} />
    </>
  );
}

function Head({ node, nodes }: { node: Node; nodes: Nodes }): JSX.Element {
  const t = adminText();
  return (
    <section class={`table ${waits(node) ? "attention" : ""}`}>
      <Notice place="host" />
      <header class="panel-head">
        <h1>{node.shown}</h1>
        <State node={node} />
        {node.state === "waiting" ? null : <a href={hostPath(node.name)}>{t.showHost}</a>}
      </header>
      {waits(node) ? (
        <div class="applicant">
          <p>{t.waitingHint}</p>
          <ApproveButton node={node} nodes={nodes} place="host" />
        </div>
      ) : null}
      {node.trouble.length === 0 ? null : (
        <ul class="problems">
          {node.trouble.map((words, i) => (
            <li key={words}>
              <Mark of="broken" /> {saidIn("troubles", node.troubles[i], words)}
            </li>
          ))}
        </ul>
      )}
      <Facts node={node} />
    </section>
  );
}

/** Milliseconds by which a host's clock may differ without a word: reports need some time on their way. */
const skewNoticeMs = 2000;

function Facts({ node }: { node: Node }): JSX.Element {
  const t = adminText();
  const { registration, skewMs } = node;
  const at = (time: number): string => t.timeAndAge(momentOf(time), agoOf(time));
  const right = skewMs !== null && Math.abs(skewMs) < skewNoticeMs;
  /** Name, words, and true if an administrator should look at it. */
  const facts: readonly (readonly [string, string, boolean?])[] = [
    [t.nameInHistory, node.name],
    [t.way, text.value.list(node.ways.map((way) => t.ways[way]))],
    [text.value.address, node.address ?? ""],
    [t.hardware, hardwareOf(node)],
    [t.lastReport, node.seen === null ? t.never : at(node.seen)],
    [
      t.clock,
      skewMs === null ? "" : right ? t.clockRight : t.clockOff(text.value.span(Math.abs(skewMs) / 1000), skewMs > 0),
      !right,
    ],
    ...(registration === null
      ? []
      : ([
          [t.registeredAs, registration.hostname],
          [t.registeredAt, text.value.list([at(registration.registered), registration.origin])],
          [
            t.tokenUsed,
            // A client of the logger has no token, though its registration is used.
            node.ways.every((way) => way === "logger")
              ? ""
              : registration.used === null
                ? t.never
                : text.value.list([at(registration.used), registration.usedFrom ?? ""].filter((word) => word !== "")),
          ],
        ] as const)),
  ];
  return (
    <dl class="admin-facts">
      {facts.map(([name, words, odd]) =>
        words === "" ? null : (
          <div key={name}>
            <dt>{name}</dt>
            <dd class={odd ? "word held" : ""}>{words}</dd>
          </div>
        ),
      )}
    </dl>
  );
}
