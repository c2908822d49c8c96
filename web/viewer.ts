import { computed, effect, signal } from "@preact/signals";
import type { JsonAnswer } from "../hub/route/route.ts";
import type { sessionRoutes } from "../hub/route/session.ts";
import { signInsNeeded } from "./ask.ts";
import { type Caller, caller } from "./call.ts";
import { me } from "./choice.ts";

/** Who the hub takes this browser for, and what they may do. */
export type Viewer = JsonAnswer<typeof sessionRoutes.me>;

/** Undefined until the hub has answered. */
export const viewer = signal<Viewer | undefined>(undefined);

/** The viewer's own choice of a user name on the machines, which the browser keeps for each account. */
export const chosenName = computed(() => me(viewer.value?.way === undefined ? "" : (viewer.value.name ?? "")));

/** User names that the viewer has on the machines: the one they chose, else those of their account. */
export const ownNames = computed((): readonly string[] => {
  const chosen = chosenName.value.value;
  return chosen === "" ? (viewer.value?.users ?? []) : [chosen];
});

/** Signs in and out. Call `refreshViewer` afterwards. */
export const session: Caller<typeof sessionRoutes> = caller<typeof sessionRoutes>({
  me: "GET /api/v1/me",
  signIn: "POST /api/v1/session",
  followLink: "POST /api/v1/session/link",
  readLink: "POST /api/v1/session/link/read",
  signInFailure: "GET /api/v1/session/failure/{id}",
  signOut: "DELETE /api/v1/session",
  signOutEverywhere: "DELETE /api/v1/sessions",
  sessions: "GET /api/v1/sessions",
  endSession: "DELETE /api/v1/sessions/{id}",
  changePassword: "PUT /api/v1/me/password",
});

/** Requests are numbered, so that a late answer does not replace a newer one. */
let asked = 0;

/** Asks the hub who this browser is. @throws SignIn, Refusal, or Error; `viewer` is then unchanged */
export async function refreshViewer(): Promise<void> {
  const mine = ++asked;
  const answer = await session("me", {});
  if (mine === asked) viewer.value = answer;
}

/** Milliseconds between questions of an administrator's page, which shows how many hosts wait for approval. */
const waitingMs = 10_000;

/**
 * Keeps `viewer` current: asks now, when a request needs a sign-in, and while it matters every few seconds.
 * @param changed called when the browser was signed in or out, here or in another tab
 * @returns a function that asks at once, as when the tab is visible again
 */
export function followViewer(changed: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const later = (): void => {
    clearTimeout(timer);
    timer = setTimeout(ask, waitingMs);
  };
  const ask = (): void => {
    clearTimeout(timer);
    // The feed says that the hub cannot be reached, and why.
    if (!document.hidden) refreshViewer().catch(later);
  };
  let before: string | undefined;
  effect(() => {
    const next = viewer.value;
    if (next === undefined) return;
    const identity = JSON.stringify([next.kind, next.name, next.rights]);
    if (before !== undefined && before !== identity) changed();
    before = identity;
    if (next.waiting !== undefined) later();
  });
  effect(() => {
    signInsNeeded.value;
    ask();
  });
  return ask;
}
