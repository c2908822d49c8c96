// Who sees the people who use the machines: their names, home folders, commands, containers and jobs. Who does not sees no
// addresses and paths in messages about the hub, either.
import type { HostInfo } from "../proto/gen/host_pb.js";
import type { AliasStyle } from "./privacy/alias.ts";
import { Mask } from "./privacy/mask.ts";
import { openText, textOf, type Words } from "./sentence.ts";
import { may, type Principal } from "./who.ts";

export type { Mask } from "./privacy/mask.ts";

/** Values of the setting `privacy.users`. */
export const userPrivacies = ["shown", "initials", "hidden"] as const;
export type UserPrivacy = (typeof userPrivacies)[number];

export interface PrivacyOptions {
  readonly now: () => number;
  readonly users: UserPrivacy;
  /** The last reports of all machines that somebody has approved. */
  readonly reports?: () => Iterable<HostInfo>;
}

/** Decides what of the people who use the machines a principal sees. Everybody with an account or a token to read sees all. */
export class Privacy {
  #users: UserPrivacy;
  /** Kept while the hub runs, so that a person keeps the alias. */
  readonly #masks: Readonly<Record<AliasStyle, Mask>>;
  readonly #listeners = new Set<() => void>();

  constructor({ now, users, reports = () => [] }: PrivacyOptions) {
    this.#users = users;
    this.#masks = { initials: new Mask("initials", now, reports), hidden: new Mask("hidden", now, reports) };
  }

  /** The mask for everything that is sent to a principal; undefined if they see the people. */
  maskFor(by: Principal): Mask | undefined {
    if (this.#users === "shown" || may(by, "read")) return undefined;
    const mask = this.#masks[this.#users];
    mask.learn();
    return mask;
  }

  change(users: UserPrivacy): void {
    if (users === this.#users) return;
    this.#users = users;
    for (const listener of this.#listeners) listener();
  }

  /** Calls the listener after every change. @param listener must not throw @returns a function that ends this */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** Messages about the hub as a viewer may see them. @param mask of the viewer; undefined if they see all */
export const noticesFor = (messages: readonly Words[], mask: Mask | undefined): readonly Words[] =>
  mask === undefined ? messages : messages.map(openText).filter((words) => textOf(words) !== "");

/** The privacy as views see it. */
export type PrivacyView = Pick<Privacy, "maskFor" | "onChange">;
