import { expect, test } from "vitest";
import { SimulatedClock } from "../../../test/simulated-clock.ts";
import { inputContext } from "../../../test/view.ts";
import { silent } from "../../log.ts";
import type { Actor } from "../../who.ts";
import { Runs } from "./run.ts";

const alice: Actor = { kind: "administrator", name: "alice", origin: "10.0.0.7", credential: "session" };

test("a hub that stops while files are read has what was imported of them in the audit log, once", () => {
  const drafts = new Map<string, unknown>();
  const audit: unknown[] = [];
  const desk = {
    ...inputContext.desk,
    draft: (key: string, _: Actor, { details }: { readonly details?: unknown }) => void drafts.set(key, details),
    complete: (key: string | undefined) => {
      const ended = key === undefined ? [...drafts.keys()] : [key];
      for (const one of ended) if (drafts.has(one)) audit.push(drafts.get(one));
      for (const one of ended) drafts.delete(one);
    },
  };
  const runs = new Runs({ desk, clock: new SimulatedClock(Date.UTC(2026, 10, 28)), log: silent });
  let rows = 0;
  const count = () => ({ name: "old.csv", rows, failed: 1 });
  const alone = runs.begin(alice, undefined, count);
  const first = runs.begin(alice, "run", count);
  rows = 100;
  alone.note();
  first.end({ isLast: false, isCut: false });
  const second = runs.begin(alice, "run", count);
  const empty = runs.begin(alice, undefined, () => ({ ...count(), rows: 0 }));
  rows = 250;
  runs.close();
  const wanted = [
    { rows: 250, failed: 1 },
    { files: 2, rows: 350, failed: 2 },
  ];
  expect(audit).toEqual(wanted);
  // Rows that still come are of no other entry.
  rows = 300;
  alone.note();
  for (const file of [alone, second, empty]) file.end({ isLast: false, isCut: false });
  expect([audit, drafts.size]).toEqual([wanted, 0]);
});
