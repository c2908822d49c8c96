import type { ComponentChildren, JSX } from "preact";
import type { Verdict } from "../../proto/verdict.ts";

// Small components used by all parts.

/**
 * Shape of a verdict, so that colour is never the only sign: ring, half disc, disc, triangle, dashed ring. Without a
 * verdict it is empty and as wide, so that names beside marks are aligned.
 */
export function Mark({ of }: { of: Verdict | undefined }): JSX.Element {
  return (
    <svg class={`mark ${of ?? ""}`} viewBox="0 0 12 12" aria-hidden="true">
      {of && shapes[of]}
    </svg>
  );
}

const shapes: Readonly<Record<Verdict, JSX.Element>> = {
  free: <circle cx="6" cy="6" r="4.5" fill="none" stroke="currentColor" stroke-width="2" />,
  held: (
    <g>
      <circle cx="6" cy="6" r="4.75" fill="none" stroke="currentColor" stroke-width="1.5" />
      <path d="M6 1.25a4.75 4.75 0 0 1 0 9.5z" fill="currentColor" />
    </g>
  ),
  busy: <circle cx="6" cy="6" r="5.5" fill="currentColor" />,
  broken: <path d="M6 .4 11.9 11H.1zM5.2 4v3.6h1.6V4zm0 4.6v1.5h1.6V8.6z" fill="currentColor" fill-rule="evenodd" />,
  unknown: (
    <circle cx="6" cy="6" r="4.75" fill="none" stroke="currentColor" stroke-width="1.5" stroke-dasharray="2.5 2.5" />
  ),
};

/** Percentage as a bar, beside a figure for screen readers; `percent` is undefined if not read. */
export function Bar({ percent, tone }: { percent: number | undefined; tone?: string }): JSX.Element {
  const filled = Math.min(100, Math.max(0, percent ?? 0));
  return (
    <span class={`bar ${percent === undefined ? "unread" : (tone ?? "")}`} aria-hidden="true">
      <i style={{ transform: `scaleX(${filled / 100})` }} />
    </span>
  );
}

/** A value with its unit. A value that was not read is a dash, never 0. */
export function Figure({ children, unit }: { children: string | number | undefined; unit?: string }): JSX.Element {
  if (children === undefined) return <span class="absent">–</span>;
  return (
    <span class="figure">
      {children}
      {unit === undefined ? null : <small>{unit}</small>}
    </span>
  );
}

/** Text for screen readers only. */
export function Spoken({ children }: { children: ComponentChildren }): JSX.Element {
  return <span class="spoken">{children}</span>;
}

/** Capitalizes a word, in scripts that have capitals. */
export const title = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1);
