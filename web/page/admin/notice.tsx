import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** View that shows a notice. */
type Place = "hosts" | "host" | "accounts" | "tokens";

interface NoticeContent {
  readonly place: Place;
  readonly words: string;
  /** What the viewer may want to do next. */
  readonly next?: { readonly path: string; readonly words: string };
}

const notice = signal<NoticeContent | undefined>(undefined);

/** Says what was done, on a page whose control for it is gone by then. */
export function tell(content: NoticeContent): void {
  notice.value = content;
}

/** Shows the notice for a place until the viewer leaves it. The focus moves to it, because the control that was used is gone. */
export function Notice({ place }: { place: Place }): JSX.Element {
  const ref = useRef<HTMLOutputElement>(null);
  const { words = "", next } = notice.value?.place === place ? notice.value : {};
  useEffect(() => {
    if (words !== "") ref.current?.focus();
  }, [words]);
  useEffect(
    () => () => {
      if (notice.peek()?.place === place) notice.value = undefined;
    },
    [],
  );
  return (
    <output class="done notice" tabIndex={-1} ref={ref}>
      {words}
      {next === undefined ? null : <a href={next.path}>{next.words}</a>}
    </output>
  );
}
