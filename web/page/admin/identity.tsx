import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { adminText } from "../../language.ts";
import { ActionButton, failureText, useAction } from "../../part/action.tsx";
import { Field } from "../../part/form.tsx";
import { administer, type Node } from "./call.ts";
import { fileText, isFixed } from "./file.ts";
import { type LabelFault, labelsOf, sameLabels, type TypedLabel, typedLabels } from "./labels.ts";
import { isPolled, type Nodes, putNode } from "./nodes.ts";

interface Draft {
  /** "" for the name in the history. */
  readonly shown: string;
  readonly group: string;
  /** Where the hub polls it. */
  readonly address: string;
  readonly labels: readonly TypedLabel[];
}

const draftOf = ({ name, shown, group, address, labels }: Node): Draft => ({
  shown: shown === name ? "" : shown,
  group: group ?? "",
  address: address ?? "",
  labels: typedLabels(labels),
});

interface Changes {
  shown?: string | null;
  group?: string | null;
  address?: string;
  labels?: Record<string, string>;
}

/** What differs from what is saved, which is all that is sent: others may change the rest. Undefined if a label cannot be used. */
function changesOf(held: Draft, saved: Draft): Changes | undefined {
  const made = labelsOf(held.labels);
  if ("fault" in made) return undefined;
  const [shown, group, address] = [held.shown.trim(), held.group.trim(), held.address.trim()];
  return {
    ...(shown !== saved.shown && { shown: shown === "" ? null : shown }),
    ...(group !== saved.group && { group: group === "" ? null : group }),
    ...(address !== saved.address && { address }),
    ...(!sameLabels(held.labels, saved.labels) && { labels: made.labels }),
  };
}

/** The name that is shown of a host, its group and its labels. */
export function Identity({ node, all, nodes }: { node: Node; all: readonly Node[]; nodes: Nodes }): JSX.Element {
  const t = adminText();
  const draft = useSignal<Draft | undefined>(undefined);
  const fault = useSignal<LabelFault | undefined>(undefined);
  const action = useAction();
  const saved = draftOf(node);
  const held = draft.value ?? saved;
  const changed = changesOf(held, saved);
  const dirty = changed === undefined || Object.keys(changed).length > 0;
  const change = (part: Partial<Draft>): void => {
    draft.value = { ...held, ...part };
    fault.value = undefined;
    action.reset();
  };
  const save = (event: Event): void => {
    event.preventDefault();
    const made = labelsOf(held.labels);
    fault.value = "fault" in made ? made.fault : undefined;
    if (!dirty || changed === undefined) return;
    action.run(async () => {
      const answer = await administer("changeNode", { name: node.name, body: changed });
      draft.value = undefined;
      putNode(nodes, answer);
      return t.saved;
    });
  };
  const failure = action.failure.value;
  const nameTaken = failure?.code === "name_taken";
  const groups = [...new Set(all.flatMap((one) => one.group ?? []))].sort();
  return (
    <form class="table" onSubmit={save}>
      <h2>{t.identity}</h2>
      <Written file={node.file} />
      <div class="groups">
        <div class="group">
          <Field
            label={t.shownName}
            autocomplete="off"
            maxLength={64}
            placeholder={node.name}
            value={held.shown}
            change={(shown) => change({ shown })}
            hint={t.shownHint(node.name)}
            error={nameTaken ? failureText(failure) : ""}
          />
        </div>
        <div class="group">
          <Field
            label={t.group}
            autocomplete="off"
            maxLength={64}
            offers={groups}
            value={held.group}
            change={(group) => change({ group })}
          />
        </div>
        {isPolled(node) && !isFixed(node) ? (
          <div class="group">
            <Field
              label={t.addressOf}
              autocomplete="off"
              maxLength={300}
              value={held.address}
              change={(address) => change({ address })}
              hint={t.addressHint}
            />
          </div>
        ) : null}
        <Labels labels={held.labels} fault={fault.value} change={(labels) => change({ labels })} />
      </div>
      <div class={`actions ${dirty ? "unsaved" : ""}`}>
        <ActionButton action={action} kind="main" off={!dirty}>
          {t.save}
        </ActionButton>
        {dirty ? (
          <button
            type="button"
            class="button"
            onClick={() => {
              draft.value = undefined;
              fault.value = undefined;
              action.reset();
            }}
          >
            {t.discard}
          </button>
        ) : null}
        {dirty ? <span class="quiet">{t.unsaved}</span> : null}
        {failure === undefined || nameTaken ? null : (
          <p class="wrong" role="alert">
            {failureText(failure)}
          </p>
        )}
        <output class="done">{action.done.value}</output>
      </div>
    </form>
  );
}

/** Where a host of the settings file is changed, before somebody fills in the form. */
function Written({ file }: Pick<Node, "file">): JSX.Element | null {
  return file === null ? null : <p class="hint">{fileText(file)}</p>;
}

interface LabelsProps {
  readonly labels: readonly TypedLabel[];
  readonly fault: LabelFault | undefined;
  readonly change: (labels: readonly TypedLabel[]) => void;
}

function Labels({ labels, fault, change }: LabelsProps): JSX.Element {
  const t = adminText();
  const set = (line: number, part: Partial<TypedLabel>): void =>
    change(labels.map((one, i) => (i === line ? { ...one, ...part } : one)));
  return (
    <fieldset class="group">
      <legend>{t.labels}</legend>
      {labels.map(({ key, value }, i) => (
        <div class="label-line" key={i}>
          <input
            aria-label={t.labelName(i + 1)}
            aria-invalid={fault?.line === i}
            placeholder={t.labelNameHint}
            value={key}
            maxLength={64}
            onInput={(event) => set(i, { key: event.currentTarget.value })}
          />
          <input
            aria-label={t.labelValue(i + 1)}
            placeholder={t.labelValueHint}
            value={value}
            maxLength={256}
            onInput={(event) => set(i, { value: event.currentTarget.value })}
          />
          <button
            type="button"
            class="button"
            aria-label={t.removeLabel(i + 1)}
            onClick={() => change(labels.filter((_, at) => at !== i))}
          >
            ✕
          </button>
        </div>
      ))}
      <button type="button" class="button" onClick={() => change([...labels, { key: "", value: "" }])}>
        {t.addLabel}
      </button>
      {fault === undefined ? null : (
        <p class="wrong" role="alert">
          {fault.kind === "empty" ? t.labelEmpty(fault.line + 1) : t.labelTwice(fault.line + 1)}
        </p>
      )}
    </fieldset>
  );
}
