import { signal } from "@preact/signals";
import { tabChoices } from "./choice.ts";

// After an upgrade of the hub an open page would request files that no longer exist, and read events in an unknown form.

/** True if the hub has another version of the page, and reloading did not load it. */
export const outdated = signal(false);

/** Keys in session storage: versions for which this tab reloaded, and its choices at that time. */
const tried = "gohm.renewed";
const kept = "gohm.passing";

/** Restores the choices of the page before a reload, once. */
export function takeOver(): void {
  try {
    const held: unknown = JSON.parse(sessionStorage.getItem(kept) ?? "{}");
    sessionStorage.removeItem(kept);
    for (const [name, choice] of Object.entries(tabChoices)) {
      const value = (held as Record<string, unknown>)[name];
      if (typeof value === "string") choice.take(value);
    }
  } catch {
    // No storage: nothing was stored.
  }
}

/** Reloads the page with the same address and choices. */
export function reload(): void {
  try {
    const held = Object.fromEntries(Object.entries(tabChoices).map(([name, choice]) => [name, choice.peek()]));
    sessionStorage.setItem(kept, JSON.stringify(held));
  } catch {
    // No storage: the filter is lost.
  }
  location.reload();
}

/**
 * Reloads if the hub has another version of the page. Only once for each version: a cache that keeps an old page, or two
 * hubs of different versions behind one address, must not make the page reload forever.
 * @param page Name of the script of the hub's page; "" if the hub did not send one.
 */
export function renew(page: string): void {
  const own = document.querySelector("script[src]")?.getAttribute("src");
  if (page === "" || own == null) return;
  outdated.value = page !== own;
  if (page === own) return;
  try {
    const before = sessionStorage.getItem(tried)?.split(" ") ?? [];
    if (before.includes(page)) return;
    sessionStorage.setItem(tried, [...before, page].join(" "));
  } catch {
    // No storage: a reload could not be remembered, and would repeat.
    return;
  }
  reload();
}
