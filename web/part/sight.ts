import { type ReadonlySignal, useComputed, useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { printing } from "../choice.ts";

const watched = new WeakMap<Element, (inSight: boolean) => void>();
let observer: IntersectionObserver | undefined;

function observe(element: Element, call: (inSight: boolean) => void): () => void {
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
 * Whether an element is on the screen or near it: what nobody sees need not be drawn again at every tick. On paper
 * everything is seen.
 */
export function useSight<T extends Element>(): { ref: RefObject<T | null>; inSight: ReadonlySignal<boolean> } {
  const ref = useRef<T>(null);
  const near = useSignal(true);
  const inSight = useComputed(() => near.value || printing.value);
  useEffect(() => {
    if (ref.current === null) return;
    return observe(ref.current, (now) => {
      near.value = now;
    });
  }, []);
  return { ref, inSight };
}
