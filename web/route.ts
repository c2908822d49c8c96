import { type ReadonlySignal, signal } from "@preact/signals";

/** Which page is shown. It stands behind the # of the address, so that the hub serves one file for all. */
export type Route = { readonly page: "fleet" } | { readonly page: "host"; readonly name: string };

export function parse(hash: string): Route {
  const name = /^#\/host\/(.+)$/.exec(hash)?.[1];
  if (name === undefined) return { page: "fleet" };
  try {
    return { page: "host", name: decodeURIComponent(name) };
  } catch {
    // A stray % is part of no name that the page wrote itself.
    return { page: "host", name };
  }
}

export const hostPath = (name: string): string => `#/host/${encodeURIComponent(name)}`;
export const fleetPath = "#/";

const current = signal<Route>(parse(location.hash));
export const route: ReadonlySignal<Route> = current;

/** How a visit to a page was left. */
interface Spot {
  /** Pixels scrolled. */
  readonly top: number;
  /** The link or map that led away: what it is, how many like it came before, and pixels from the window's upper edge. */
  readonly link?: { readonly like: string; readonly nth: number; readonly y: number };
}

const spots = new Map<string, Spot>();
const mostSpots = 50;
/** Milliseconds for which a page may still be growing to its height. */
const growing = 10_000;
const stored = "gohm.spots";
/** Key of the current entry of the browser's history. */
let visit = "";
/** How the list of all hosts was left last. */
let list: Spot | undefined;
let settled = (): void => {};

const likeness = (element: Element): string => `${element.tagName} ${element.getAttribute("href") ?? ""}`;
const all = (): Element[] => [...document.querySelectorAll("main a[href], main canvas")];

function spotNow(): Spot {
  const top = scrollY;
  const found = all();
  // Safari gives a link that is clicked no focus.
  const led =
    found.find((one) => one === document.activeElement) ??
    found.find((one) => one.getAttribute("href") === location.hash && one.getBoundingClientRect().top >= 0);
  if (led === undefined) return { top };
  const like = likeness(led);
  const nth = found.filter((one) => likeness(one) === like).indexOf(led);
  return { top, link: { like, nth, y: led.getBoundingClientRect().top } };
}

function remember(spot: Spot): void {
  spots.delete(visit);
  spots.set(visit, spot);
  for (const key of spots.keys()) if (spots.size > mostSpots) spots.delete(key);
}

/** Key of the visit that is shown now; undefined where it is a new one. */
function known(): string | undefined {
  const state: unknown = history.state;
  return typeof state === "object" && state !== null && "visit" in state ? String(state.visit) : undefined;
}

function enter(): string {
  const made = known() ?? Math.random().toString(36).slice(2);
  history.replaceState({ visit: made }, "");
  return made;
}

/** Puts the window where it was, and again as the page grows, until the viewer moves it. */
function settle({ top, link }: Spot): void {
  let focused = false;
  const put = (): void => {
    const led = link && all().filter((one) => likeness(one) === link.like)[link.nth];
    if (led === undefined || link === undefined) scrollTo(0, top);
    else scrollBy(0, led.getBoundingClientRect().top - link.y);
    if (focused || !(led instanceof HTMLElement)) return;
    focused = true;
    led.focus({ preventScroll: true });
  };
  const watch = new ResizeObserver(put);
  const acts = ["wheel", "touchstart", "pointerdown", "keydown"];
  const timer = setTimeout(() => settled(), growing);
  settled = () => {
    watch.disconnect();
    clearTimeout(timer);
    for (const act of acts) removeEventListener(act, settled);
  };
  for (const act of acts) addEventListener(act, settled);
  watch.observe(document.body);
}

/** Follows the address. Back leads to where the viewer was, not to the top; so do a way back to the list, and loading again. */
export function followAddress(): void {
  history.scrollRestoration = "manual";
  try {
    const held: unknown = JSON.parse(sessionStorage.getItem(stored) ?? "[]");
    for (const [key, spot] of held as [string, Spot][]) spots.set(key, spot);
  } catch {
    // No storage: the page begins at its top.
  }
  visit = enter();
  const first = spots.get(visit);
  if (first !== undefined) settle(first);
  addEventListener("hashchange", () => {
    settled();
    const left = spotNow();
    remember(left);
    if (current.value.page === "fleet") list = left;
    const key = known();
    current.value = parse(location.hash);
    visit = enter();
    const spot = key === undefined ? (current.value.page === "fleet" ? list : undefined) : spots.get(key);
    if (spot !== undefined) return settle(spot);
    scrollTo(0, 0);
    // What had the focus is gone with the page before.
    document.getElementById("main")?.focus({ preventScroll: true });
  });
  addEventListener("pagehide", () => {
    remember(spotNow());
    try {
      sessionStorage.setItem(stored, JSON.stringify([...spots]));
    } catch {
      // No storage: the next page begins at its top.
    }
  });
}
