import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { adminText } from "../../language.ts";
import { failureText, useAction } from "../../part/action.tsx";
import { Field } from "../../part/form.tsx";
import { hubAddress } from "./address.ts";
import { administer } from "./call.ts";
import { AddForm, Fold } from "./list.tsx";
import type { Nodes } from "./nodes.ts";
import { Copyable } from "./once.tsx";

/** The two ways in which a host comes to the hub: the hub asks it, or it reports by itself. */
export function AddHost({ nodes, open }: { nodes: Nodes; open: boolean }): JSX.Element {
  const t = adminText();
  return (
    <Fold title={t.addHost} open={open}>
      <div class="pair-of-forms">
        <Poll nodes={nodes} />
        <div class="form">
          <h3>{t.reports}</h3>
          <p>{t.reportsHint}</p>
          <Copyable label={t.command} words={`./hmonitor --server ${hubAddress()}`} />
        </div>
      </div>
    </Fold>
  );
}

function Poll({ nodes }: { nodes: Nodes }): JSX.Element {
  const t = adminText();
  const name = useSignal("");
  const address = useSignal("");
  const action = useAction();
  const submit = (): void => {
    action.run(async () => {
      const node = await administer("addServer", {
        body: { name: name.peek().trim(), address: address.peek().trim() },
      });
      nodes.put((all) => [...all.filter((one) => one.name !== node.name), node]);
      name.value = "";
      address.value = "";
      return t.added(node.shown);
    });
  };
  const typed =
    (field: { value: string }) =>
    (value: string): void => {
      field.value = value;
      action.reset();
    };
  const failure = action.failure.value;
  const taken = failure?.code === "name_taken";
  return (
    <AddForm action={action} verb={t.add} submit={submit}>
      <h3>{t.polled}</h3>
      <p>{t.polledHint}</p>
      <Field
        label={t.name}
        required
        autocomplete="off"
        maxLength={64}
        value={name.value}
        change={typed(name)}
        placeholder="gpu7"
        error={failure && taken ? failureText(failure) : ""}
      />
      <Field
        label={t.addressOf}
        required
        autocomplete="off"
        maxLength={300}
        value={address.value}
        change={typed(address)}
        placeholder="10.0.0.17:9203"
        hint={t.addressHint}
        error={failure && !taken ? failureText(failure) : ""}
      />
    </AddForm>
  );
}
