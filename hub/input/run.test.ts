// The entries of imports in the audit log.
import type { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Zone } from "../../program/zone.ts";
import { jsonOf } from "../../test/answer.ts";
import { Model } from "../../test/model.ts";
import { SimulatedClock } from "../../test/simulated-clock.ts";
import { inputContext } from "../../test/view.ts";
import { heading } from "../csv/form.ts";
import { application } from "../http/application.ts";
import { Ingest } from "../ingest.ts";
import { Live } from "../live.ts";
import { silent } from "../log.ts";
import type { Actor } from "../who.ts";
import { importer } from "./import.ts";
import type { InputContext, RunningInput } from "./input.ts";

const now = Date.UTC(2026, 10, 28);
const alice: Actor = { kind: "administrator", name: "alice", origin: "10.0.0.7", credential: "session" };

let who: Actor;
let model: Model;
let live: Live;
let audit: unknown[];
let drafts: Map<string, unknown>;
let clock: SimulatedClock;
let zone: Zone;
let context: InputContext;
let input: RunningInput;
let app: Hono;

beforeEach(() => {
  who = alice;
  model = new Model();
  live = new Live(() => now);
  audit = [];
  drafts = new Map();
  clock = new SimulatedClock(now);
  zone = new Zone("Asia/Shanghai");
  context = {
    ...inputContext,
    ingest: new Ingest({ live, history: model, now: () => now }),
    history: model,
    clock,
    random: () => 0,
    log: silent,
    zone: () => zone,
    desk: {
      do: (by, { name, target, details }) => {
        audit.push({ by: by.kind, name, target, details });
        return undefined as never;
      },
      draft: (key, by, { name, target, details }) => void drafts.set(key, { by: by.kind, name, target, details }),
      complete: (key) => {
        for (const [one, entry] of [...drafts].filter(([other]) => key === undefined || key === other)) {
          drafts.delete(one);
          audit.push(entry);
        }
      },
      refused: () => {},
      note: () => {},
    },
  };
  open();
});

afterEach(() => input.close());

function open(): void {
  input = importer.open(context, {});
  const entry = { offers: ["open", "read", "admin"] as const, open: () => true, identify: () => who };
  app = application([input], { log: silent, entry });
}

type Body = string | Uint8Array | ReadableStream<Uint8Array>;

async function send(body: Body, query = "", type = "text/csv") {
  const response = await app.request(`/api/v1/import${query}`, {
    method: "POST",
    headers: { "Content-Type": type },
    body,
    duplex: "half",
  } as RequestInit);
  return { status: response.status, value: await jsonOf(response) };
}

const row = "2026-11-27 08:30:05,0,NVIDIA H100,75.25,12.5,81559,4012,77546,45,120.553,700.0,30,gpu1\r\n";
/** A body that a test sends piece by piece. */
function piecewise() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const stream = new ReadableStream<Uint8Array>({
    start(given) {
      controller = given;
    },
  });
  return {
    stream,
    put: (text: string) => controller?.enqueue(Buffer.from(text)),
    end: () => controller?.close(),
    fail: (error: Error) => controller?.error(error),
  };
}

describe("files of one command", () => {
  const many = { by: "administrator", name: "history.import" };
  const other = (second: number): string => row.replace("08:30:05", `08:30:0${second}`);

  test("are one entry in the audit log, once the last one was read", async () => {
    await send(heading + row, "?name=a.csv&run=r1");
    await send(`${heading}${other(1)}${other(2)}x\r\n`, "?name=b.csv&run=r1");
    await send("%PDF-1.4", "?name=bad.csv&run=r1");
    expect(audit).toEqual([]);
    await send(heading + other(3), "?name=c.csv&run=r1&last=true");
    const target = "a.csv … c.csv";
    expect(audit).toEqual([{ ...many, target, details: { files: 3, rows: 4, failed: 1 } }]);
    await send(heading + row, "?name=a.csv&run=r1&last=true");
    expect(audit).toHaveLength(2);
  });

  test("are one entry also if the last one is none", async () => {
    await send(heading + row, "?name=a.csv&run=r1");
    await send("%PDF-1.4", "?name=bad.csv&run=r1&last=true");
    expect(audit).toEqual([{ ...many, target: "a.csv … bad.csv", details: { files: 1, rows: 1, failed: 0 } }]);
  });

  test("of two administrators are two entries, whatever they are called", async () => {
    await send(heading + row, "?name=a.csv&run=r1");
    who = { kind: "administrator", name: "bob", origin: "10.0.0.8" };
    await send(heading + row, "?name=b.csv&run=r1&last=true");
    expect(audit).toMatchObject([{ target: "b.csv" }]);
  });

  test("are an entry a minute after the last one, if the client was killed", async () => {
    await send(heading + row, "?name=a.csv&run=r1");
    clock.elapse(59_000);
    await send(heading + row, "?name=b.csv&run=r1");
    clock.elapse(59_000);
    expect(audit).toEqual([]);
    clock.elapse(2000);
    expect(audit).toMatchObject([{ target: "a.csv … b.csv", details: { files: 2 } }]);
    clock.elapse(600_000);
    expect(audit).toHaveLength(1);
  });

  test("are an entry after the next start, if the hub was killed; and at its end, if it was not", async () => {
    await send(heading + row, "?name=a.csv&run=r1");
    open();
    expect(audit).toMatchObject([{ target: "a.csv" }]);
    await send(heading + row, "?name=b.csv&run=r2");
    await input.close();
    expect(audit).toMatchObject([{ target: "a.csv" }, { target: "b.csv" }]);
  });

  test("are recorded while a large one is read", async () => {
    const { stream, put, end } = piecewise();
    const answer = send(stream, "?name=large.csv");
    const at = (i: number): string =>
      new Date(Date.UTC(2026, 10, 27) + i * 1000).toISOString().slice(0, 19).replace("T", " ");
    put(heading + Array.from({ length: 2500 }, (_, i) => row.replace("2026-11-27 08:30:05", at(i))).join(""));
    await expect.poll(() => [...drafts.values()]).toMatchObject([{ target: "large.csv", details: { rows: 2000 } }]);
    expect(audit).toEqual([]);
    end();
    await answer;
    expect([audit, drafts.size]).toMatchObject([[{ target: "large.csv", details: { rows: 2500, failed: 0 } }], 0]);
  });
});
