import { createHash } from "node:crypto";
import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import { weightOf } from "../../program/accept.ts";
import { Fault } from "../fault.ts";
import type { Log } from "../log.ts";
import { matchesEtag } from "./view.ts";

/** Bytes of an answer that is sent whole, with its length. A longer one goes out piece by piece. */
export const whole = 1_048_576;
/** Milliseconds of work on an answer before it yields. */
const patience = 4;

/** Yields to polls and other viewers. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Bytes up to which an answer has an entity tag, where it is to have one. */
export const mostTagged = 4 * whole;

/** Forms in which a table is answered; a file is CSV that spreadsheets read as UTF-8. */
export type TableForm = "json" | "csv" | "file";

/** The form that a request wants: by its parameter `format`, else by its header Accept. */
export function tableForm(c: Context, format: "json" | "csv" | undefined): TableForm {
  if (format !== undefined) return format === "csv" ? "file" : "json";
  const accept = c.req.header("accept");
  return weightOf(accept, "text/csv") > weightOf(accept, "application/json") ? "csv" : "json";
}

/** Headers of a table. @param name that of the file, without its ending */
export const tableHeaders = (form: TableForm, name: string): Readonly<Record<string, string>> => ({
  "Content-Type": form === "json" ? "application/json; charset=utf-8" : "text/csv; charset=utf-8",
  ...(form === "file" ? { "Content-Disposition": `attachment; filename="${name}.csv"` } : {}),
});

/** The request to answer, and the log for errors. */
export interface BodyTarget {
  readonly c: Context;
  readonly log: Log;
  /** True to give the answer an entity tag, made of its content, and to answer a client that has it already by status 304. */
  readonly tagged?: true;
}

/**
 * Creates an answer from pieces, each of which takes some milliseconds at most. An error of the request is thrown with the
 * first piece, so that it can still be the answer.
 */
export async function answer(
  { c, log, tagged }: BodyTarget,
  made: AsyncIterator<Uint8Array>,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  const pieces = yielding(made);
  const first: Uint8Array[] = [];
  const hash = tagged && createHash("sha256");
  for (let size = 0; size < (tagged ? mostTagged : whole); ) {
    const { done, value } = await pieces.next();
    if (done) {
      if (!hash) return new Response(Buffer.concat(first), { headers });
      // Weak: a proxy that compresses the answer keeps the tag.
      const etag = `W/"${hash.digest("base64url").slice(0, 22)}"`;
      const all = { ...headers, ETag: etag };
      return matchesEtag(c, etag)
        ? new Response(null, { status: 304, headers: all })
        : new Response(Buffer.concat(first), { headers: all });
    }
    hash?.update(value);
    first.push(value);
    size += value.length;
  }
  if (c.req.raw.method === "HEAD") {
    // No reader would end it.
    await made.return?.();
    return new Response(null, { headers });
  }
  // After a failure it may be asked for more, and its reader may leave while a piece is made.
  let ended = false;
  const body = new ReadableStream<Uint8Array>({
    async pull(stream) {
      const early = first.shift();
      if (early !== undefined) return stream.enqueue(early);
      try {
        if (ended) return;
        const { done, value } = await pieces.next();
        if (ended) return;
        if (done) stream.close();
        else stream.enqueue(value);
      } catch (error) {
        if (ended) return;
        ended = true;
        if (error instanceof Fault && error.code === "canceled") return stream.error(error);
        // The status is sent already: only a cut connection shows that the answer is incomplete.
        log.error(`an answer was cut short: ${(error as Error).stack ?? String(error)}`);
        const outgoing = (c.env as Partial<HttpBindings> | undefined)?.outgoing;
        if (outgoing === undefined) throw error;
        outgoing.destroy();
      }
    },
    async cancel() {
      ended = true;
      await made.return?.();
    },
  });
  return new Response(body, { headers });
}

/** Yields between pieces that have taken long together. */
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
