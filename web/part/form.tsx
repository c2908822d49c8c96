import { type Signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useId } from "preact/hooks";
import { adminText } from "../language.ts";
import { Mark } from "./part.tsx";

// Parts of forms of accounts and administration.

/** Attributes of the browser's own field. */
interface Control {
  readonly name?: string;
  readonly autocomplete?: "username" | "current-password" | "new-password" | "off";
  readonly required?: boolean;
  readonly maxLength?: number;
  readonly placeholder?: string;
  readonly inputMode?: "numeric";
}

interface FieldProps extends Control {
  readonly label: string;
  readonly value: string;
  readonly change?: (value: string) => void;
  /** What to write, below the field. */
  readonly hint?: string;
  /** Why the value cannot be used; "" if it can. */
  readonly error?: string | undefined;
  /** True for a password, which is not shown. */
  readonly secret?: boolean;
  /** Values that are offered. */
  readonly offers?: readonly string[];
  /** True if it has the focus when it appears. */
  readonly first?: boolean;
}

/** Field of a form, with its name above and what is wrong below. */
export function Field({
  label,
  value,
  change,
  hint,
  error = "",
  offers,
  first,
  secret = false,
  ...control
}: FieldProps): JSX.Element {
  const id = useId();
  const notes = [hint === undefined ? "" : `${id}-hint`, error === "" ? "" : `${id}-error`].filter(Boolean).join(" ");
  const common = {
    ...control,
    id,
    value,
    ...(first && { autofocus: true }),
    "aria-invalid": error !== "",
    ...(notes !== "" && { "aria-describedby": notes }),
    onInput: (event: { readonly currentTarget: HTMLInputElement }) => change?.(event.currentTarget.value),
    autocapitalize: "off",
    spellcheck: false,
  } as const;
  return (
    <div class="entry">
      <label for={id}>{label}</label>
      {secret ? (
        <input {...common} type="password" />
      ) : offers === undefined ? (
        <input {...common} />
      ) : (
        <>
          <input {...common} list={`${id}-offers`} />
          <datalist id={`${id}-offers`}>
            {offers.map((offer) => (
              <option value={offer} key={offer} />
            ))}
          </datalist>
        </>
      )}
      {hint === undefined ? null : (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error === "" ? null : (
        <p class="wrong" id={`${id}-error`} role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

interface ChoiceProps<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly change: (value: T) => void;
  /** Value, name and explanation of each choice. */
  readonly options: readonly (readonly [T, string, string?])[];
}

/** One of a few choices, all in sight. */
export function Choice<T extends string>({ label, value, change, options }: ChoiceProps<T>): JSX.Element {
  const id = useId();
  return (
    <fieldset class="entry choices">
      <legend>{label}</legend>
      {options.map(([key, name, about]) => (
        <label class="tick" key={key}>
          <input type="radio" name={id} checked={value === key} onChange={() => change(key)} />
          <span>
            {name} {about === undefined ? null : <span class="hint">{about}</span>}
          </span>
        </label>
      ))}
    </fieldset>
  );
}

/** A new password and its repetition. */
export interface NewPassword {
  readonly value: Signal<string>;
  readonly again: Signal<string>;
  readonly differs: Signal<boolean>;
  /** True if both are the same; else the second field says that they are not. */
  agrees(): boolean;
  clear(): void;
}

export function useNewPassword(): NewPassword {
  const [value, again, differs] = [useSignal(""), useSignal(""), useSignal(false)];
  return {
    value,
    again,
    differs,
    agrees() {
      differs.value = value.peek() !== again.peek();
      return !differs.peek();
    },
    clear() {
      value.value = "";
      again.value = "";
    },
  };
}

interface NewPasswordProps {
  readonly of: NewPassword;
  /** Why the hub refused it. */
  readonly error: string | undefined;
  readonly typed: () => void;
  readonly first?: boolean;
}

export function NewPasswordFields({ of, error, typed, first = false }: NewPasswordProps): JSX.Element {
  const t = adminText();
  const change =
    (field: Signal<string>) =>
    (value: string): void => {
      field.value = value;
      of.differs.value = false;
      typed();
    };
  const control = { secret: true, autocomplete: "new-password", required: true } as const;
  return (
    <>
      <Field
        {...control}
        label={t.newPassword}
        first={first}
        value={of.value.value}
        change={change(of.value)}
        hint={t.passwordHint}
        error={error}
      />
      <Field
        {...control}
        label={t.repeatPassword}
        value={of.again.value}
        change={change(of.again)}
        error={of.differs.value ? t.passwordsDiffer : ""}
      />
    </>
  );
}

/** Name of the account for the browser's password manager, which looks for it in the form. */
export function AccountName({ name }: { name: string }): JSX.Element {
  return <input hidden autocomplete="username" readOnly value={name} />;
}

/** Warning where others on the network can read a password: plain http, except on this machine itself. */
export function NotEncrypted(): JSX.Element | null {
  if (isSecureContext) return null;
  return (
    <p class="caution">
      <Mark of="broken" /> {adminText().notEncrypted}
    </p>
  );
}
