import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { adminText, text } from "../../language.ts";
import { copy } from "../../part/clipboard.ts";

interface CopyProps {
  /** What it is, for screen readers. */
  readonly label: string;
  readonly words: string;
}

/** Text that is to be taken elsewhere, with a button that copies it. */
export function Copyable({ label, words }: CopyProps): JSX.Element {
  const t = text.value;
  const state = useSignal<"" | "copied" | "failed">("");
  const ref = useRef<HTMLInputElement>(null);
  const take = async (): Promise<void> => {
    const done = await copy(words);
    state.value = done ? "copied" : "failed";
    // So that one key copies it.
    if (!done) ref.current?.select();
  };
  return (
    <div class="copyable">
      <input
        ref={ref}
        readOnly
        aria-label={label}
        value={words}
        size={Math.min(80, words.length)}
        onFocus={(event) => event.currentTarget.select()}
      />
      <button type="button" class="button" aria-label={adminText().copyThis(label)} onClick={take}>
        {state.value === "copied" ? t.copied : adminText().copy}
      </button>
      <output class="spoken">{state.value === "copied" ? t.copied : ""}</output>
      {state.value === "failed" ? (
        <p class="wrong" role="alert">
          {adminText().copyFailed}
        </p>
      ) : null}
    </div>
  );
}

interface OnceProps extends CopyProps {
  readonly title: string;
  /** What it is good for, and how long. */
  readonly about: string;
  /** Called when the viewer has taken it. */
  readonly close: () => void;
}

/** A secret that the hub shows this once. */
export function Once({ title, about, label, words, close }: OnceProps): JSX.Element {
  const t = adminText();
  return (
    <section class="once" aria-label={title} aria-live="polite">
      <h2>{title}</h2>
      <p>{about}</p>
      <Copyable label={label} words={words} />
      <p class="caution">{t.shownOnce}</p>
      <button type="button" class="button" onClick={close}>
        {t.taken}
      </button>
    </section>
  );
}
