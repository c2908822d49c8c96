import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { text } from "../language.ts";

interface DialogProps {
  readonly title: string;
  /** Called when the viewer leaves the dialog, by Escape too. */
  readonly close: () => void;
  readonly children: ComponentChildren;
}

/** Window over the page. The browser keeps the focus in it; afterwards the focus is where it was. */
export function Dialog({ title, close, children }: DialogProps): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  const gone = useRef(false);
  const id = useId();
  useEffect(() => {
    const opener = document.activeElement;
    const dialog = ref.current;
    dialog?.showModal();
    return () => {
      gone.current = true;
      dialog?.close();
      if (opener instanceof HTMLElement) opener.focus();
      // The change may have removed what opened the dialog.
      setTimeout(() => {
        if (document.activeElement === document.body) document.getElementById("main")?.focus();
      });
    };
  }, []);
  return (
    <dialog class="dialog" ref={ref} aria-labelledby={id} onClose={() => gone.current || close()}>
      <div class="dialog-head">
        <h2 id={id}>{title}</h2>
        <button type="button" class="icon-button" aria-label={text.value.close} onClick={close}>
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M4 4l8 8M12 4l-8 8" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" />
          </svg>
        </button>
      </div>
      {children}
    </dialog>
  );
}
