import { type ReadonlySignal, signal } from "@preact/signals";

// The address of a page is behind the # of the URL: the hub serves the same file for all pages.

/** Values of the parts of a path that begin with a colon. */
export type Params = Readonly<Record<string, string>>;

export interface RouteMatch<Row> {
  readonly row: Row;
  readonly params: Params;
}

/**
 * Finds the row for an address. The first row is the home page, and stands in for addresses that match none.
 * @param rows Paths such as "/host/:name". A parameter at the end may contain slashes.
 */
export function routeAt<Row extends { readonly path: string }>(
  rows: readonly [Row, ...Row[]],
  hash: string,
): RouteMatch<Row> {
  for (const row of rows) {
    const params = match(row.path, hash);
    if (params !== undefined) return { row, params };
  }
  return { row: rows[0], params: {} };
}

function match(path: string, hash: string): Params | undefined {
  const pattern = path.replace(/:(\w+)$/, "(?<$1>.+)").replace(/:(\w+)/g, "(?<$1>[^/]+)");
  const found = new RegExp(`^#${pattern}$`).exec(hash);
  if (found === null) return undefined;
  return Object.fromEntries(Object.entries(found.groups ?? {}).map(([name, value]) => [name, decoded(value)]));
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    // The page encodes every % that it writes: somebody typed this address.
    return value;
  }
}

export const hostPath = (name: string): string => `#/host/${encodeURIComponent(name)}`;
export const fleetPath = "#/";
export const adminPath = "#/admin";
/** Where the viewer is signed in. */
export const accountPath = "#/account";
export const reportsPath = "#/reports";
/** The report of a node and day. */
export const reportPath = (node: string, date: string): string => `${reportsPath}/${encodeURIComponent(node)}/${date}`;
/** Where an administrator sets what concerns one host. */
export const hostAdminPath = (name: string): string => `${adminPath}/host/${encodeURIComponent(name)}`;

const linkPath = "#/link";
const followed = signal("");
/** Token of the one-time link that was followed; "" for none. */
export const linkToken: ReadonlySignal<string> = followed;

/**
 * Moves the token of a one-time link out of the address into memory, now and whenever such a link is followed: neither
 * the address bar nor the browser's list of visited pages keeps it. Call it before `followAddress`.
 */
export function takeLinks(): void {
  const take = (): void => {
    if (!location.hash.startsWith(`${linkPath}/`)) return;
    followed.value = decoded(location.hash.slice(linkPath.length + 1));
    history.replaceState(history.state, "", linkPath);
    current.value = location.hash;
  };
  take();
  addEventListener("hashchange", take);
}

const current = signal(location.hash);
/** The part of the URL from # on. */
export const address: ReadonlySignal<string> = current;

/** Changes the address of this visit, without another entry in the browser's history. */
export function amendAddress(hash: string): void {
  history.replaceState(history.state, "", hash);
  current.value = hash;
}

/** Scroll position at which a page was left. */
interface Spot {
  /** Pixels scrolled. */
  readonly top: number;
  /** The link or map that was followed: what it is, how many alike precede it, and pixels from the top of the window. */
  readonly link?: { readonly like: string; readonly nth: number; readonly y: number };
}

const spots = new Map<string, Spot>();
const mostSpots = 50;
/** Time within which a page may still grow to its height. */
const growingMs = 10_000;
const stored = "gohm.spots";
/** Key of the current entry of the browser's history. */
let visit = "";
/** Last position on the home page. */
let home: Spot | undefined;
let stopSettling = (): void => {};

const likeness = (element: Element): string => `${element.tagName} ${element.getAttribute("href") ?? ""}`;
const all = (): Element[] => [...document.querySelectorAll("main a[href], main canvas")];

function currentSpot(): Spot {
  const top = scrollY;
  const found = all();
  // Safari does not focus a link that is clicked.
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

/** Key of the current visit; undefined for a new one. */
function known(): string | undefined {
  const state: unknown = history.state;
  return typeof state === "object" && state !== null && "visit" in state ? String(state.visit) : undefined;
}

function enter(): string {
  const made = known() ?? Math.random().toString(36).slice(2);
  history.replaceState({ visit: made }, "");
  return made;
}

/** Restores a scroll position, and again as the page grows, until the viewer scrolls. */
function restore({ top, link }: Spot): void {
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
  const timer = setTimeout(() => stopSettling(), growingMs);
  stopSettling = () => {
    watch.disconnect();
    clearTimeout(timer);
    for (const act of acts) removeEventListener(act, stopSettling);
  };
  for (const act of acts) addEventListener(act, stopSettling);
  watch.observe(document.body);
}

/**
 * Follows the address, and restores the scroll position and focus on Back, on a link to the home page, and on a reload.
 * @param isHome True for addresses of the home page.
 */
export function followAddress(isHome: (hash: string) => boolean): void {
  history.scrollRestoration = "manual";
  try {
    const held: unknown = JSON.parse(sessionStorage.getItem(stored) ?? "[]");
    for (const [key, spot] of held as [string, Spot][]) spots.set(key, spot);
  } catch {
    // No storage: pages begin at the top.
  }
  visit = enter();
  const first = spots.get(visit);
  if (first !== undefined) restore(first);
  addEventListener("hashchange", () => {
    stopSettling();
    const left = currentSpot();
    remember(left);
    if (isHome(current.value)) home = left;
    const key = known();
    current.value = location.hash;
    visit = enter();
    const spot = key === undefined ? (isHome(current.value) ? home : undefined) : spots.get(key);
    if (spot !== undefined) return restore(spot);
    scrollTo(0, 0);
    // The focused element was removed with the previous page.
    document.getElementById("main")?.focus({ preventScroll: true });
  });
  addEventListener("pagehide", () => {
    remember(currentSpot());
    try {
      sessionStorage.setItem(stored, JSON.stringify([...spots]));
    } catch {
      // No storage: the next page begins at the top.
    }
  });
}
