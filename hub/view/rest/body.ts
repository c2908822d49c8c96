import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import { Fault } from "../../fault.ts";
import type { Log } from "../../log.ts";

/** Bytes of an answer that is sent whole, with its length. A longer one goes out piece by piece. */
export const whole = 1_048_576;
/** Milliseconds for which an answer may be worked on before others have their turn. */
const patience = 4;

/** Lets polls and other viewers have their turn. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Where an answer goes. */
export interface BodyTarget {
  readonly c: Context;
  readonly log: Log;
}

/**
 * An answer out of pieces, none of which takes more than some milliseconds to make. Whatever is wrong with the
 * request shows while the first piece is made, so that the answer can still say so.
 */
export async function answer(
  { c, log }: BodyTarget,
  made: AsyncIterator<Uint8Array>,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  const pieces = yielding(made);
  const first: Uint8Array[] = [];
  for (let size = 0; size < whole; ) {
    const { done, value } = await pieces.next();
    if (done) return new Response(Buffer.concat(first), { headers });
    first.push(value);
    size += value.length;
  }
  if (c.req.raw.method === "HEAD") {
    // Nobody would read on, and nothing else would end it.
    await made.return?.();
    return new Response(null, { headers });
  }
  const body = new ReadableStream<Uint8Array>({
    async pull(stream) {
      const early = first.shift();
      if (early !== undefined) return stream.enqueue(early);
      try {
        const { done, value } = await pieces.next();
        if (done) stream.close();
        else stream.enqueue(value);
      } catch (error) {
        if (error instanceof Fault && error.code === "canceled") return stream.error(error);
        // Its status is sent: all that can still be said is that it is not whole.
        log.error(`an answer broke off: ${(error as Error).stack ?? String(error)}`);
        const outgoing = (c.env as Partial<HttpBindings> | undefined)?.outgoing;
        if (outgoing === undefined) throw error;
        outgoing.destroy();
      }
    },
    async cancel() {
      await made.return?.();
    },
  });
  return new Response(body, { headers });
}

/** The same pieces, with a turn for others whenever making them has taken a while. */
function yielding(made: AsyncIterator<Uint8Array>): Pick<AsyncIterator<Uint8Array>, "next"> {
  let begun = performance.now();
  return {
    async next() {
      if (performance.now() - begun > patience) {
        await turn();
        begun = performance.now();
      }
      return made.next();
    },
  };
}
