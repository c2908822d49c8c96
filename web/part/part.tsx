import type { ComponentChildren, JSX } from "preact";
import type { Verdict } from "../../proto/verdict.ts";

// The marks every part is made of.

/**
 * A verdict as a shape, so that colour is never the only sign: ring, half, disc, triangle, broken ring. Of nothing it is
 * as wide, so that names beside marks stay in line.
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

/** A share of a whole as a bar; the figure beside it says the same in words. `percent` undefined: not read. */
export function Bar({ percent, tone }: { percent: number | undefined; tone?: string }): JSX.Element {
  const filled = Math.min(100, Math.max(0, percent ?? 0));
  return (
    <span class={`bar ${percent === undefined ? "unread" : (tone ?? "")}`} aria-hidden="true">
      <i style={{ transform: `scaleX(${filled / 100})` }} />
    </span>
  );
}

/** What was not read is a dash, never a nought. */
export function Figure({ children, unit }: { children: string | number | undefined; unit?: string }): JSX.Element {
  if (children === undefined) return <span class="absent">–</span>;
  return (
    <span class="figure">
      {children}
      {unit === undefined ? null : <small>{unit}</small>}
    </span>
  );
}

/** Words for those who hear the page. */
export function Spoken({ children }: { children: ComponentChildren }): JSX.Element {
  return <span class="spoken">{children}</span>;
}

/** A word as it begins a line; scripts without capitals stay as they are. */
export const title = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1);
