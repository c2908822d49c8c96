import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { adminText } from "../../language.ts";
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
      const next = { path: hostAdminPath(answer.name), words: t.devices };
      tell({ place, words: t.approved(answer.shown), ...(place === "hosts" && { next }) });
      putNode(nodes, answer);
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
    const answers: Node[] = [];
    try {
      for (const { name } of chosen ?? []) answers.push(await administer("approveNode", { name }));
    } finally {
      for (const answer of answers) putNode(nodes, answer);
    }
    tell({ place: "hosts", words: t.approvedAll(chosen?.length ?? 0) });
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

/** Whether a host answers, and what is wrong. */
export function State({ node }: { node: Node }): JSX.Element {
  const t = adminText();
  const grave = node.state !== "answering";
  return (
    <>
      <span class={`word ${grave ? "unknown" : ""}`}>
        {grave ? <Mark of={node.state === "waiting" ? "held" : "unknown"} /> : null} {t.states[node.state]}
      </span>
      {node.reason === null ? null : <span class="quiet"> {node.reason}</span>}
      {node.trouble.length === 0 ? null : (
        <span class="word broken">
          {" "}
          <Mark of="broken" /> {t.troubles(node.trouble.length)}
        </span>
      )}
    </>
  );
}
