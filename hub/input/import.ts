import type { Context } from "hono";
import { clean } from "../../proto/clean.ts";
import { Fault } from "../fault.ts";
import { piecesOf } from "../push/body.ts";
import { type RouteRequest, serve } from "../route/handler.ts";
import type { JsonAnswer } from "../route/route.ts";
import { csvTypes, importLimit, transferRoutes } from "../route/transfer.ts";
import { NamedClient } from "./import/client.ts";
import { FileImport } from "./import/file.ts";
import { Runs } from "./import/run.ts";
import type { Input, InputContext } from "./input.ts";

/** Files that are read at the same time. */
const mostImports = 2;

/** Takes files of the NVIDIA GPU Metrics Logger into the history. */
export const importer: Input = {
  name: "import",
  table: {},
  open(context) {
    let running = 0;
    const runs = new Runs(context);
    return {
      routes: serve(
        { import: transferRoutes.import },
        {
          async import(request) {
            checkHead(request.c);
            if (running >= mostImports) throw new Fault("busy", "Other files are being imported: try again later.");
            running++;
            try {
              return request.c.json(await take(context, runs, request));
            } finally {
              running--;
            }
          },
        },
      ),
      change: () => {},
      close: () => runs.close(),
    };
  },
};

/** @throws Fault media_type_refused, body_too_large */
function checkHead(c: Context): void {
  const type = (c.req.header("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  if (!csvTypes.some((one) => one === type)) {
    const given = type === "" ? "none" : JSON.stringify(clean(type, 64));
    throw new Fault("media_type_refused", `The body must have the type text/csv: it has ${given}.`);
  }
  const coding = c.req.header("content-encoding")?.trim().toLowerCase() ?? "";
  if (coding !== "" && coding !== "identity") {
    const given = JSON.stringify(clean(coding, 64));
    throw new Fault("media_type_refused", `The body must not be compressed: its Content-Encoding is ${given}.`);
  }
  if (Number(c.req.header("content-length") ?? 0) > importLimit) throw tooLarge();
}

const tooLarge = (): Fault => new Fault("body_too_large", `The body must not be larger than ${importLimit} bytes.`);

type Imported = JsonAnswer<typeof transferRoutes.import>;

/** Reads the body. What was stored is recorded also if it stops half-way. */
async function take(
  context: InputContext,
  runs: Runs,
  { c, by, given, recheck }: RouteRequest<typeof transferRoutes.import>,
): Promise<Imported> {
  const client = given.client === undefined ? undefined : await NamedClient.find(given.client, context);
  const name = given.name ?? "text/csv";
  const imported = () => ({ name, rows: file.result.stored, failed: file.result.failed });
  const entry = runs.begin(by, given.run, imported);
  const pause = (): void => {
    recheck();
    entry.note();
  };
  const file = new FileImport({ ...context, zone: context.zone(), client: client?.key, pause });
  let isCut = false;
  try {
    for await (const piece of limited(c)) await file.add(piece);
    const result = await file.end();
    const notes = client?.notes(result.hosts) ?? [];
    return notes.length === 0 ? result : { ...result, notes };
  } catch (error) {
    isCut = error instanceof Fault && error.code === "canceled";
    await file.stop();
    throw error;
  } finally {
    const { stored, failed, hosts } = file.result;
    if (stored > 0)
      context.log.info(`${stored} rows of ${hosts.length} hosts were imported from ${clean(name)}, ${failed} failed`);
    entry.end({ isLast: given.run === undefined || given.last === true, isCut });
  }
}

/** The body, piece by piece. @throws Fault body_too_large, canceled */
async function* limited(c: Context): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  try {
    for await (const piece of piecesOf(c)) {
      bytes += piece.length;
      if (bytes > importLimit) throw tooLarge();
      yield piece;
    }
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("canceled", "The client went away before its request was read.", { cause: error });
  }
}
