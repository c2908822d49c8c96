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

addEventListener("hashchange", () => {
  current.value = parse(location.hash);
  scrollTo(0, 0);
});
