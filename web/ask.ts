// Everything that the page asks the hub for: when an attempt is given up, when it is repeated, and what came back in its place.

/** Milliseconds without a byte after which a request counts as dead. A slow line is not a dead one: it brings bytes. */
const silenceMs = 10_000;

/** Something between browser and hub asks for a sign-in instead of passing the request on. */
export class SignIn extends Error {}

/** @throws SignIn, or Error with the hub's own words when it refuses or cannot be reached. */
async function request(path: string, type: string, signal: AbortSignal, cache?: "no-store"): Promise<Response> {
  // A redirect leads to a sign-in on another host, where the page must not go by itself.
  const answer = await fetch(path, { signal, redirect: "manual", headers: { Accept: type }, ...(cache && { cache }) });
  const { status, headers } = answer;
  const kind = headers.get("Content-Type") ?? "";
  const html = /^text\/html/i.test(kind) && (answer.ok || status === 403);
  if (answer.type === "opaqueredirect" || html || [401, 407, 511].includes(status)) throw new SignIn(`${status}`);
  if (!answer.ok) throw new Error(`${status} ${(await answer.text()).slice(0, 200)}`);
  if (!kind.startsWith(type)) throw new Error(`${status} ${kind}`);
  return answer;
}

/** A connection that hands over text as it comes. None of these is called any more after it was closed. */
export interface Listener {
  began(): void;
  piece(text: string): void;
  ended(reason: "closed" | "sign-in"): void;
}

/** Opens a stream of events. The answer closes it. */
export function listen(path: string, { began, piece, ended }: Listener): () => void {
  const stop = new AbortController();
  const read = async (): Promise<void> => {
    // Browsers let a second request for one address wait for the first, to keep its answer: this one never ends.
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
 * Asks for something whole, for as long as bytes come.
 * @throws SignIn, or Error in words
 */
export async function bytes(path: string, type: string, stop: AbortSignal): Promise<Uint8Array> {
  // AbortSignal.any would do it; browsers have it since 2024.
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

/** Milliseconds between attempts, at first and at most. */
const firstPauseMs = 1000;
const longestPauseMs = 30_000;

/**
 * Loads something that the page cannot do without: again and again, with growing pauses, while somebody looks.
 * @param failed Called with each error; returns false to stop.
 */
export async function insist<T>(load: () => Promise<T>, failed: (reason: unknown) => boolean): Promise<T | undefined> {
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
