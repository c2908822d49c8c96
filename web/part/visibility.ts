import { type ReadonlySignal, useComputed, useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { printing } from "../choice.ts";

const watched = new WeakMap<Element, (visible: boolean) => void>();
let observer: IntersectionObserver | undefined;

function observe(element: Element, call: (visible: boolean) => void): () => void {
  observer ??= new IntersectionObserver(
    (changes) => {
      for (const change of changes) watched.get(change.target)?.(change.isIntersecting);
    },
    { rootMargin: "400px" },
  );
  watched.set(element, call);
  observer.observe(element);
  return () => observer?.unobserve(element);
}

/**
 * True while an element is on the screen or near it, or being printed. Elements that are not visible need not render at
 * every tick.
 */
export function useVisibility<T extends Element>(): { ref: RefObject<T | null>; visible: ReadonlySignal<boolean> } {
  const ref = useRef<T>(null);
  const near = useSignal(true);
  const visible = useComputed(() => near.value || printing.value);
  useEffect(() => {
    if (ref.current === null) return;
    return observe(ref.current, (now) => {
      near.value = now;
    });
  }, []);
  return { ref, visible };
}
