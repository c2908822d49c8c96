import type { ComponentChildren, JSX } from "preact";
import { adminText } from "../../language.ts";
import { ActionButton, Outcome, useAction } from "../../part/action.tsx";
import { Dialog } from "../../part/dialog.tsx";

interface ConfirmProps {
  readonly title: string;
  /** Name of the button that does it. */
  readonly verb: string;
  readonly work: () => Promise<void>;
  readonly close: () => void;
  /** False for a change that can be taken back. */
  readonly grave?: boolean;
  /** What will happen. */
  readonly children: ComponentChildren;
}

/** Asks before a change of consequence, and says why it failed. */
export function Confirm({ title, verb, work, close, grave = true, children }: ConfirmProps): JSX.Element {
  const action = useAction();
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const done = await action.run(async () => {
      await work();
      return undefined;
    });
    if (done) close();
  };
  return (
    <Dialog title={title} close={close}>
      <form class="form" onSubmit={submit}>
        {children}
        <div class="actions">
          <ActionButton action={action} kind={grave ? "grave" : "main"}>
            {verb}
          </ActionButton>
          <button type="button" class="button" onClick={close}>
            {adminText().cancel}
          </button>
        </div>
        <Outcome of={action} />
      </form>
    </Dialog>
  );
}
