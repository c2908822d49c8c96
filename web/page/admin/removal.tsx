import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { adminText } from "../../language.ts";
import { ActionButton, Outcome, useAction } from "../../part/action.tsx";
import { adminPath } from "../../route.ts";
import { refreshViewer } from "../../viewer.ts";
import { administer, type Node } from "./call.ts";
import { Confirm } from "./confirm.tsx";
import { fileText, isFixed } from "./file.ts";
import { isPolled, type Nodes, putNode } from "./nodes.ts";
import { tell } from "./notice.tsx";

/** What cannot be taken back: which machine it is, its token, and its removal. */
export function Removal({ node, nodes }: { node: Node; nodes: Nodes }): JSX.Element {
  const t = adminText();
  const asked = useSignal<"" | "reset" | "unregister" | "delete">("");
  const close = (): void => {
    asked.value = "";
  };
  const { registration, file } = node;
  const polled = isPolled(node);
  const [hint, done, verb] = isTokenless(node)
    ? [t.openHint, t.openEffect, t.openName]
    : [t.resetHint, t.resetDone, t.resetToken];
  return (
    <section class="table">
      <h2>{t.machine}</h2>
      <Joining node={node} nodes={nodes} />
      {registration === null ? null : (
        <div class="deed">
          <p>{registration.reset ? done : hint}</p>
          <button type="button" class="button" onClick={() => (asked.value = "reset")}>
            {verb}
          </button>
        </div>
      )}
      {registration === null || !polled ? null : (
        <div class="deed">
          <p>{t.unregisterHint}</p>
          <button type="button" class="button grave" onClick={() => (asked.value = "unregister")}>
            {t.unregister}
          </button>
        </div>
      )}
      <div class="deed">
        <p>
          {file !== null && isFixed(node) ? fileText(file) : node.state === "waiting" ? t.rejectHint : t.deleteHint}
        </p>
        {isFixed(node) ? null : (
          <button type="button" class="button grave" onClick={() => (asked.value = "delete")}>
            {t.deleteHost}
          </button>
        )}
      </div>
      {asked.value === "reset" ? <Reset node={node} nodes={nodes} close={close} /> : null}
      {asked.value === "unregister" ? <Unregister node={node} nodes={nodes} close={close} /> : null}
      {asked.value === "delete" ? <Delete node={node} close={close} /> : null}
    </section>
  );
}

/** Whether a machine that reports by itself is one that is polled, too. */
function Joining({ node, nodes }: { node: Node; nodes: Nodes }): JSX.Element | null {
  const t = adminText();
  const action = useAction();
  const polled = isPolled(node);
  // Of one name, they are one host in any case.
  const joined = polled && node.registration !== null && node.registration.hostname !== node.name;
  // It may take the hub until the next report to find that it is the same machine.
  if (!joined && !node.parted) return action.done.value === "" ? null : <Outcome of={action} />;
  const change = (): void => {
    action.run(async () => {
      const answer = await administer("changeNode", { name: node.name, body: { parted: !node.parted } });
      putNode(nodes, answer);
      // It became two hosts, or one.
      await nodes.again();
      return answer.parted ? t.partedNow : t.joinedNow;
    });
  };
  return (
    <div class="deed">
      <p>{node.parted ? t.partedHint : t.joinedHint(node.registration?.hostname ?? node.name)}</p>
      <ActionButton action={action} click={change}>
        {node.parted ? t.join : t.part}
      </ActionButton>
      <Outcome of={action} />
    </div>
  );
}

interface DialogProps {
  readonly node: Node;
  readonly close: () => void;
}

function Reset({ node, nodes, close }: DialogProps & { nodes: Nodes }): JSX.Element {
  const t = adminText();
  const [verb, effect] = isTokenless(node) ? [t.openName, t.openEffect] : [t.resetToken, t.resetConsequence];
  return (
    <Confirm
      title={`${verb}: ${node.shown}`}
      verb={verb}
      close={close}
      work={async () => putNode(nodes, await administer("resetNode", { name: node.name }))}
    >
      <p>{effect}</p>
    </Confirm>
  );
}

/** True for a client of the logger. It has no token to be reset: its name is opened for an agent. */
const isTokenless = ({ ways }: Node): boolean => ways.includes("logger");

/** Removes what registered under the name of a polled host, which stays. */
function Unregister({ node, nodes, close }: DialogProps & { nodes: Nodes }): JSX.Element {
  const t = adminText();
  return (
    <Confirm
      title={t.unregisterTitle(node.shown)}
      verb={t.unregister}
      close={close}
      work={async () => {
        await administer("deleteNode", { name: node.name, registration: "true" });
        await nodes.again();
        tell({ place: "hosts", words: t.unregistered(node.shown) });
        refreshViewer().catch(() => {}); // the badge follows later
        location.replace(adminPath);
      }}
    >
      <p>{t.unregisterConsequence}</p>
    </Confirm>
  );
}

function Delete({ node, close }: DialogProps): JSX.Element {
  const t = adminText();
  const history = useSignal(false);
  return (
    <Confirm
      title={t.deleteTitle(node.shown)}
      verb={history.value ? t.deleteWithHistory : t.deleteHost}
      close={close}
      work={async () => {
        const answer = await administer("deleteNode", {
          name: node.name,
          ...(history.peek() && { history: "true" }),
        });
        tell({ place: "hosts", words: t.deleted(node.shown, answer.history) });
        refreshViewer().catch(() => {}); // the badge follows later
        location.replace(adminPath);
      }}
    >
      <p>{node.state === "waiting" ? t.rejectConsequence : t.deleteConsequence(node.registration !== null)}</p>
      {node.file === null ? null : <p>{t.deleteInFile(node.file.path)}</p>}
      {node.state === "waiting" ? null : (
        <label class="tick">
          <input
            type="checkbox"
            checked={history.value}
            onChange={(event) => (history.value = event.currentTarget.checked)}
          />
          <span>
            {t.alsoHistory} <span class="hint">{t.alsoHistoryHint}</span>
          </span>
        </label>
      )}
    </Confirm>
  );
}
