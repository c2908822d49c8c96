import { type ReadonlySignal, useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { Refusal } from "../ask.ts";
import { adminText, errorText } from "../language.ts";

/** Why a change was not made. */
export interface Failure {
  /** Code of the hub's refusal; "" for anything else. */
  readonly code: string;
  /** The hub's sentence, or the error. */
  readonly reason: string;
}

/** A change that a control makes: one at a time, with its outcome beside the control. */
export interface Action {
  readonly busy: ReadonlySignal<boolean>;
  readonly failure: ReadonlySignal<Failure | undefined>;
  /** What was done, for the viewer; "" before. */
  readonly done: ReadonlySignal<string>;
  /** Makes the change, and returns true if it succeeded. @param work returns what was done, or nothing to say */
  run(work: () => Promise<string | undefined>): Promise<boolean>;
  /** Forgets the outcome, because something else was typed. */
  reset(): void;
}

export function useAction(): Action {
  const busy = useSignal(false);
  const failure = useSignal<Failure | undefined>(undefined);
  const done = useSignal("");
  const reset = (): void => {
    failure.value = undefined;
    done.value = "";
  };
  const run = async (work: () => Promise<string | undefined>): Promise<boolean> => {
    if (busy.peek()) return false;
    reset();
    busy.value = true;
    try {
      done.value = (await work()) ?? "";
      return true;
    } catch (error) {
      failure.value =
        error instanceof Refusal ? { code: error.code, reason: error.reason } : { code: "", reason: errorText(error) };
      return false;
    } finally {
      busy.value = false;
    }
  };
  return { busy, failure, done, run, reset };
}

/** Text of a failure in the viewer's language, where the hub's code has one; else the hub's own sentence. */
export function failureText({ code, reason }: Failure): string {
  const { refusals, notDone } = adminText();
  return (refusals as Readonly<Record<string, string>>)[code] ?? notDone(reason);
}

/** Outcome of an action: an error is announced at once, a success when the reader pauses. */
export function Outcome({ of }: { of: Action }): JSX.Element {
  const failure = of.failure.value;
  return (
    <>
      {failure === undefined ? null : (
        <p class="wrong" role="alert">
          {failureText(failure)}
        </p>
      )}
      <output class="done">{of.done.value}</output>
    </>
  );
}

interface ButtonProps {
  readonly action: Action;
  readonly kind?: "main" | "grave";
  readonly off?: boolean;
  readonly click?: () => void;
  readonly label?: string;
  readonly children: ComponentChildren;
}

/** Button of an action. It keeps the focus while the hub works, so it is never really disabled. Without `click` it submits. */
export function ActionButton({ action, kind, off = false, click, label, children }: ButtonProps): JSX.Element {
  const waits = action.busy.value || off;
  return (
    <button
      type={click === undefined ? "submit" : "button"}
      class={`button ${kind ?? ""}`}
      aria-disabled={waits}
      {...(label !== undefined && { "aria-label": label })}
      onClick={(event) => {
        if (waits) event.preventDefault();
        else click?.();
      }}
    >
      {children}
    </button>
  );
}
