// Every request of the page to the hub: time limits, retries, cancellation, and errors.
import { signal } from "@preact/signals";

/** A request without a byte for so long is cancelled. A slow connection still brings bytes. */
const silenceMs = 10_000;
/** The same for changes: the hub answers wrong passwords slowly, and one after the other. */
const changeSilenceMs = 60_000;

/** A request requires sign-in. */
export class SignIn extends Error {
  /** True if the hub requires it, false if a proxy in front of the hub does. */
  readonly own: boolean;

  constructor(status: number, own: boolean) {
    super(`${status}`);
    this.own = own;
  }
}

/** The hub refused a request, or a proxy in front of it did. */
export class Refusal extends Error {
  /** Code of docs/faults.md; "" if the answer is not the hub's. */
  readonly code: string;
  /** The hub's sentence, without the status. */
  readonly reason: string;

  constructor(status: number, { code, reason }: { code: string; reason: string }) {
    super(`${status} ${reason}`);
    this.code = code;
    this.reason = reason;
  }
}

/** Number of requests that the hub refused for want of a sign-in. */
export const signInsNeeded = signal(0);

interface Asked {
  /** Media type that is wanted; any other is an error. */
  readonly type: string;
  readonly signal: AbortSignal;
  readonly cache?: "no-store";
  readonly method?: string;
  /** JSON. */
  readonly body?: string;
}

/**
 * Makes a request; no other function of the page does. What every answer may ask for belongs here. No header is needed
 * against forged requests: the hub checks the Origin that browsers send with every change.
 * @throws SignIn, Refusal, or Error if the hub cannot be reached.
 */
async function request(path: string, { type, ...asked }: Asked): Promise<Response> {
  const headers = { Accept: type, ...(asked.body !== undefined && { "Content-Type": "application/json" }) };
  // A redirect leads to a sign-in page, perhaps of another host: the page must not follow it.
  const answer = await fetch(path, { ...asked, redirect: "manual", headers });
  const { status } = answer;
  const kind = answer.headers.get("Content-Type") ?? "";
  const html = /^text\/html/i.test(kind) && (answer.ok || status === 403);
  if (answer.type === "opaqueredirect" || html || [407, 511].includes(status)) throw new SignIn(status, false);
  if (!answer.ok) throw refused(status, await answer.text());
  if (!kind.startsWith(type)) throw new Error(`${status} ${kind}`);
  return answer;
}

/** The error of an answer that is not a success. */
function refused(status: number, body: string): SignIn | Refusal {
  const refusal = new Refusal(status, errorOf(body));
  if (status !== 401 || (refusal.code !== "" && refusal.code !== "sign_in_needed")) return refusal;
  const own = refusal.code !== "";
  if (own) signInsNeeded.value++;
  return new SignIn(status, own);
}

/** Code and message of the hub's error object; of any other body, which a proxy may send, the beginning. */
function errorOf(body: string): { code: string; reason: string } {
  try {
    const { error } = JSON.parse(body) as { error?: { code?: unknown; message?: unknown } };
    if (typeof error?.message === "string")
      return { code: typeof error.code === "string" ? error.code : "", reason: error.message };
  } catch {
    // Not JSON: not from the hub.
  }
  return { code: "", reason: body.slice(0, 200) };
}

/** Receives text as it arrives. Nothing is called after the stream was closed. */
export interface StreamListener {
  began(): void;
  piece(text: string): void;
  ended(reason: "closed" | "sign-in" | "signed-out"): void;
}

/** Opens an event stream. Returns a function that closes it. */
export function listen(path: string, { began, piece, ended }: StreamListener): () => void {
  const stop = new AbortController();
  const read = async (): Promise<void> => {
    // Without no-store a browser delays other requests for the same URL until this one ends, which it never does.
    const { body } = await request(path, { type: "text/event-stream", signal: stop.signal, cache: "no-store" });
    began();
    const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const next = await reader?.read();
      if (next === undefined || next.done || stop.signal.aborted) return;
      piece(next.value);
    }
  };
  read()
    .then(
      () => "closed" as const,
      (reason: unknown) => (reason instanceof SignIn ? (reason.own ? "signed-out" : "sign-in") : "closed"),
    )
    .then((reason) => {
      if (!stop.signal.aborted) ended(reason);
    });
  return () => stop.abort();
}

/** Fetches a whole body, as long as bytes arrive. @throws SignIn, Refusal, or Error; the reason of `stop` if that was aborted. */
export function fetchBytes(path: string, type: string, stop: AbortSignal): Promise<Uint8Array> {
  return fetchWhole(path, { type, signal: stop });
}

/**
 * Sends a request with a JSON body, if any, and reads the JSON answer.
 * @throws SignIn, Refusal, or Error: a change may then have been made or not
 */
export async function fetchJson(method: string, path: string, body: unknown, stop: AbortSignal): Promise<unknown> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const answer = await fetchWhole(path, { type: "application/json", signal: stop, method, ...sent });
  return JSON.parse(new TextDecoder().decode(answer));
}

async function fetchWhole(path: string, asked: Asked): Promise<Uint8Array> {
  const { signal: stop, method = "GET" } = asked;
  // AbortSignal.any is newer than the oldest supported browsers.
  const mine = new AbortController();
  const end = (): void => mine.abort(stop.reason);
  stop.addEventListener("abort", end);
  if (stop.aborted) end();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = method === "GET" ? silenceMs : changeSilenceMs;
  const wait = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => mine.abort(new Error(`no byte for ${limit / 1000} s`)), limit);
  };
  try {
    wait();
    const { body } = await request(path, { ...asked, signal: mine.signal });
    const pieces: Uint8Array[] = [];
    const reader = body?.getReader();
    for (;;) {
      wait();
      const next = await reader?.read();
      if (next?.value === undefined) break;
      pieces.push(next.value);
    }
    return new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer());
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", end);
  }
}

/** Pauses between attempts: the first, and the longest. */
const firstPauseMs = 1000;
const longestPauseMs = 30_000;

/**
 * Loads something that the page needs: retries with growing pauses, while the tab is visible.
 * @param failed Called with each error; returns false to stop.
 */
export async function loadWithRetry<T>(
  load: () => Promise<T>,
  failed: (reason: unknown) => boolean,
): Promise<T | undefined> {
  for (let pause = firstPauseMs; ; pause = Math.min(2 * pause, longestPauseMs)) {
    try {
      return await load();
    } catch (reason) {
      if (!failed(reason)) return undefined;
    }
    await new Promise((done) => setTimeout(done, pause));
    while (document.hidden)
      await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
  }
}
