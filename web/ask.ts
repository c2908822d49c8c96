// Every request of the page to the hub: time limits, retries, cancellation, and errors.

/** A request without a byte for so long is cancelled. A slow connection still brings bytes. */
const silenceMs = 10_000;

/** The hub, or a proxy in front of it, requires sign-in. */
export class SignIn extends Error {}

/**
 * Makes a request; no other function of the page does. Headers that every request needs belong here, and so does what
 * every answer may ask for.
 * @param type Media type that is wanted; any other is an error.
 * @throws SignIn, or Error with the hub's message if it refuses or cannot be reached.
 */
async function request(path: string, type: string, signal: AbortSignal, cache?: "no-store"): Promise<Response> {
  // A redirect leads to a sign-in page, perhaps of another host: the page must not follow it.
  const answer = await fetch(path, { signal, redirect: "manual", headers: { Accept: type }, ...(cache && { cache }) });
  const { status, headers } = answer;
  const kind = headers.get("Content-Type") ?? "";
  const html = /^text\/html/i.test(kind) && (answer.ok || status === 403);
  if (answer.type === "opaqueredirect" || html || [401, 407, 511].includes(status)) throw new SignIn(`${status}`);
  if (!answer.ok) throw new Error(`${status} ${messageOf(await answer.text())}`);
  if (!kind.startsWith(type)) throw new Error(`${status} ${kind}`);
  return answer;
}

/** The message of the hub's error object; of any other body, which a proxy may send, the beginning. */
function messageOf(body: string): string {
  try {
    const { error } = JSON.parse(body) as { error?: { message?: unknown } };
    if (typeof error?.message === "string") return error.message;
  } catch {
    // Not JSON: not from the hub.
  }
  return body.slice(0, 200);
}

/** Receives text as it arrives. Nothing is called after the stream was closed. */
export interface StreamListener {
  began(): void;
  piece(text: string): void;
  ended(reason: "closed" | "sign-in"): void;
}

/** Opens an event stream. Returns a function that closes it. */
export function listen(path: string, { began, piece, ended }: StreamListener): () => void {
  const stop = new AbortController();
  const read = async (): Promise<void> => {
    // Without no-store a browser delays other requests for the same URL until this one ends, which it never does.
    const { body } = await request(path, "text/event-stream", stop.signal, "no-store");
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
      (reason: unknown) => (reason instanceof SignIn ? "sign-in" : "closed"),
    )
    .then((reason) => {
      if (!stop.signal.aborted) ended(reason);
    });
  return () => stop.abort();
}

/**
 * Fetches a whole body, as long as bytes arrive.
 * @throws SignIn, or Error with the reason; the reason of `stop` if that was aborted.
 */
export async function fetchBytes(path: string, type: string, stop: AbortSignal): Promise<Uint8Array> {
  // AbortSignal.any is newer than the oldest supported browsers.
  const mine = new AbortController();
  const end = (): void => mine.abort(stop.reason);
  stop.addEventListener("abort", end);
  if (stop.aborted) end();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const wait = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => mine.abort(new Error(`no byte for ${silenceMs / 1000} s`)), silenceMs);
  };
  try {
    wait();
    const { body } = await request(path, type, mine.signal);
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
