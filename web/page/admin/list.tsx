import { type Signal, useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { adminText, text } from "../../language.ts";
import { type Action, ActionButton } from "../../part/action.tsx";
import { Field } from "../../part/form.tsx";
import { Confirm } from "./confirm.tsx";
import type { Loaded } from "./loaded.ts";
import { Notice } from "./notice.tsx";

// A list of what administrators add and remove.

interface ListProps<T> {
  readonly view: "accounts" | "tokens";
  readonly of: Loaded<readonly T[]>;
  readonly item: (one: T) => JSX.Element;
  /** Text in place of a list without items. */
  readonly none?: string;
  /** What is above the list. */
  readonly children: ComponentChildren;
}

export function List<T>({ view, of, item, none, children }: ListProps<T>): JSX.Element {
  const all = of.value.value;
  const error = of.error.value;
  return (
    <>
      <Notice place={view} />
      {error === "" ? null : <output class="standing">{text.value.partFault(error)}</output>}
      {children}
      {all === undefined ? (
        <p class="empty">{text.value.loading}</p>
      ) : all.length === 0 && none !== undefined ? (
        <p class="table quiet">{none}</p>
      ) : (
        <section class="table" aria-label={adminText().views[view]}>
          <ul class="items">{all.map(item)}</ul>
        </section>
      )}
    </>
  );
}

interface FoldProps {
  readonly title: string;
  readonly open?: boolean;
  readonly children: ComponentChildren;
}

/** A button that shows and hides what is below it. */
export function Fold({ title, open: first = false, children }: FoldProps): JSX.Element {
  const open = useSignal(first);
  return (
    <section class="table">
      <button type="button" class="button" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
        {title}
      </button>
      {open.value ? children : null}
    </section>
  );
}

interface AddFormProps {
  readonly action: Action;
  /** Name of the button that adds. */
  readonly verb: string;
  readonly submit: () => void;
  readonly children: ComponentChildren;
}

/** A form that adds an item. */
export function AddForm({ action, verb, submit, children }: AddFormProps): JSX.Element {
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {children}
      <div class="actions">
        <ActionButton action={action} kind="main">
          {verb}
        </ActionButton>
        <output class="done">{action.done.value}</output>
      </div>
    </form>
  );
}

interface NameFieldProps {
  readonly name: Signal<string>;
  readonly action: Action;
  readonly error: string;
  readonly placeholder?: string;
}

/** Name of a new item. */
export function NameField({ name, action, ...more }: NameFieldProps): JSX.Element {
  return (
    <Field
      label={adminText().name}
      autocomplete="off"
      required
      first
      maxLength={64}
      value={name.value}
      change={(value) => {
        name.value = value;
        action.reset();
      }}
      {...more}
    />
  );
}

interface RemoveProps {
  /** Name of the button, for screen readers. */
  readonly label: string;
  readonly title: string;
  readonly verb: string;
  /** What will happen. */
  readonly hint: string;
  readonly work: () => Promise<void>;
}

/** A button that removes an item, once it was confirmed. */
export function Remove({ label, title, verb, hint, work }: RemoveProps): JSX.Element {
  const asked = useSignal(false);
  return (
    <>
      <button type="button" class="button grave" aria-label={label} onClick={() => (asked.value = true)}>
        {verb}
      </button>
      {asked.value ? (
        <Confirm title={title} verb={verb} close={() => (asked.value = false)} work={work}>
          <p>{hint}</p>
        </Confirm>
      ) : null}
    </>
  );
}
