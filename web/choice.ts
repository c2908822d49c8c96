import { effect, type Signal, signal } from "@preact/signals";
import { verdicts } from "../proto/verdict.ts";

// The viewer's choices, kept in this browser. Where storage is forbidden (private windows) they last as long as the page.

export type Theme = "auto" | "light" | "dark";
const shows = ["all", ...verdicts, "trouble", "mine"] as const;
export type Show = (typeof shows)[number];
export type Order = "name" | "free";
export type FleetView = "rows" | "heat";

function load(key: string): string | undefined {
  try {
    return localStorage.getItem(`gohm.${key}`) ?? undefined;
  } catch {
    return undefined;
  }
}

function keep(key: string, value: string): void {
  try {
    localStorage.setItem(`gohm.${key}`, value);
  } catch {
    // The choice lasts as long as the page.
  }
}

function kept<T extends string>(key: string, first: T, fits: (value: string) => value is T): Signal<T> {
  const held = load(key);
  const chosen = signal<T>(held !== undefined && fits(held) ? held : first);
  effect(() => keep(key, chosen.value));
  return chosen;
}

const among =
  <T extends string>(...allowed: readonly T[]) =>
  (value: string): value is T =>
    (allowed as readonly string[]).includes(value);

const any = (value: string): value is string => value !== "";

/** "" follows the browser's languages. */
export const language = kept<string>("language", "", any);
export const theme = kept<Theme>("theme", "auto", among("auto", "light", "dark"));
export const order = kept<Order>("order", "name", among("name", "free"));
export const view = kept<FleetView>("view", "rows", among("rows", "heat"));
const chosenNames = new Map<string, Signal<string>>();

/** The viewer's own user name on the machines; "" if not chosen. @param account that the viewer is signed in with, or "" */
export function me(account: string): Signal<string> {
  const before = chosenNames.get(account);
  if (before !== undefined) return before;
  const chosen = kept<string>(account === "" ? "me" : `me.${account}`, "", any);
  chosenNames.set(account, chosen);
  return chosen;
}

// Only in the address (filter.ts): a forgotten filter would hide hosts on the next visit.
export const show = signal<Show>("all");
export const query = signal("");
/** Shows only cards that this user holds; "" shows all. */
export const user = signal("");

/** True while the page is being printed; set by `theme.ts`. */
export const printing = signal(false);

interface PassingChoice {
  peek(): string;
  /** As `peek`; effects follow it. */
  get(): string;
  /** Ignores a value that this version of the page does not have. */
  take(value: string): void;
}

/** Choices that last as long as the page; a page that replaces this one takes them over. */
export const tabChoices: Readonly<Record<string, PassingChoice>> = {
  show: {
    peek: () => show.peek(),
    get: () => show.value,
    take(value) {
      // Version 0.1.0 has "fault" for broken cards.
      show.value = shows.find((one) => one === (value === "fault" ? "broken" : value)) ?? show.peek();
    },
  },
  query: plain(query),
  user: plain(user),
};

function plain(choice: Signal<string>): PassingChoice {
  return {
    peek: () => choice.peek(),
    get: () => choice.value,
    take(value) {
      choice.value = value;
    },
  };
}
