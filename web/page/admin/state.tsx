import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { adminText, saidIn } from "../../language.ts";
import { ActionButton, Outcome, useAction } from "../../part/action.tsx";
import { Mark } from "../../part/part.tsx";
import { hostAdminPath } from "../../route.ts";
import { refreshViewer } from "../../viewer.ts";
import { administer, type Node } from "./call.ts";
import { Confirm } from "./confirm.tsx";
import { type Nodes, putNode } from "./nodes.ts";
import { tell } from "./notice.tsx";

interface ApproveProps {
  readonly node: Node;
  readonly nodes: Nodes;
  readonly place: "hosts" | "host";
}

/** Button that approves a host that waits; a notice at its place says so. */
export function ApproveButton({ node, nodes, place }: ApproveProps): JSX.Element {
  const t = adminText();
  const action = useAction();
  const approve = (): void => {
    action.run(async () => {
      const answer = await administer("approveNode", { name: node.name });
      const next = { path: hostAdminPath(answer.name), words: t.selectDevices };
      const words = sameMachine(node, answer) ?? t.approved(answer.shown);
      tell({ place, words, ...(place === "hosts" && { next }) });
      putNode(nodes, answer, node.name);
      refreshViewer().catch(() => {}); // the badge follows later
      return undefined;
    });
  };
  return (
    <div class="actions">
      <ActionButton action={action} kind="main" click={approve} label={t.approveHost(node.shown)}>
        {t.approve}
      </ActionButton>
      <Outcome of={action} />
    </div>
  );
}

/** Approves all hosts that wait, after showing which. Those before a refusal are approved. */
export function ApproveAll({ waiting, nodes }: { waiting: readonly Node[]; nodes: Nodes }): JSX.Element {
  const t = adminText();
  // The list that was confirmed, whatever registers meanwhile.
  const asked = useSignal<readonly Node[] | undefined>(undefined);
  const chosen = asked.value;
  const approve = async (): Promise<void> => {
    const done: { readonly node: Node; readonly answer: Node }[] = [];
    try {
      for (const node of chosen ?? [])
        done.push({ node, answer: await administer("approveNode", { name: node.name }) });
    } finally {
      for (const { node, answer } of done) putNode(nodes, answer, node.name);
    }
    const others = done.flatMap(({ node, answer }) => sameMachine(node, answer) ?? []);
    tell({ place: "hosts", words: t.sentences([t.approvedAll(done.length), ...others]) });
    refreshViewer().catch(() => {}); // the badge follows later
  };
  return (
    <>
      {waiting.length < 2 ? null : (
        <button type="button" class="button" onClick={() => (asked.value = waiting)}>
          {t.approveAll}
        </button>
      )}
      {chosen === undefined ? null : (
        <Confirm
          title={t.approveAllTitle(chosen.length)}
          verb={t.approveAll}
          grave={false}
          close={() => (asked.value = undefined)}
          work={approve}
        >
          <p>{t.waitingHint}</p>
          <ul class="names">
            {chosen.map(({ name, shown }) => (
              <li key={name}>{shown}</li>
            ))}
          </ul>
        </Confirm>
      )}
    </>
  );
}

/** Names of hosts that were approved here and may still turn out to be polled hosts. */
const approved = new Set<string>();

/** Sentence on a host that became another one when it was approved, because the hub polls that machine. */
function sameMachine({ name, shown }: Node, answer: Node): string | undefined {
  if (answer.name !== name) return adminText().sameMachine(shown, answer.shown);
  approved.add(name);
  return undefined;
}

/** Says it of those that the hub recognizes later, with their next report. */
export function useSameMachines(all: readonly Node[] | undefined, place: ApproveProps["place"]): void {
  const t = adminText();
  useEffect(() => {
    if (all === undefined) return;
    const words = [...approved].flatMap((name) => {
      const other = all.some((node) => node.name === name) ? undefined : registeredAs(all, name);
      if (other === undefined) return [];
      approved.delete(name);
      return t.sameMachine(name, other.shown);
    });
    if (words.length > 0) tell({ place, words: t.sentences(words) });
  }, [all]);
}

/** The host to which the machine belongs that registered under a name. */
export const registeredAs = (all: readonly Node[], name: string): Node | undefined =>
  all.find(({ registration }) => registration?.hostname === name);

/** Whether a host answers, and what is wrong. */
export function State({ node }: { node: Node }): JSX.Element {
  const t = adminText();
  const grave = node.state !== "answering" && node.state !== "history";
  return (
    <>
      <span class={`word ${grave ? "unknown" : ""}`}>
        {grave ? <Mark of={node.state === "waiting" ? "held" : "unknown"} /> : null} {t.states[node.state]}
      </span>
      {node.reason === null ? null : <span class="quiet"> {saidIn("reasons", node.cause, node.reason)}</span>}
      <Troubles node={node} />
    </>
  );
}

/** How many things are wrong with a host; nothing if none is. */
export function Troubles({ node: { trouble } }: { node: Node }): JSX.Element | null {
  if (trouble.length === 0) return null;
  return (
    <span class="word broken">
      {" "}
      <Mark of="broken" /> {adminText().troubles(trouble.length)}
    </span>
  );
}
