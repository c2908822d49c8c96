// The input that takes files into the history, opened beside a history and a desk that play: files are sent to it as a client
// of the route does.
import type { Hono } from "hono";
import { application } from "../hub/http/application.ts";
import { Ingest } from "../hub/ingest.ts";
import { importer } from "../hub/input/import.ts";
import type { InputContext, RunningInput } from "../hub/input/input.ts";
import { Live } from "../hub/live.ts";
import { silent } from "../hub/log.ts";
import type { Actor } from "../hub/who.ts";
import { Zone } from "../program/zone.ts";
import { jsonOf } from "./answer.ts";
import { Model } from "./model.ts";
import { SimulatedClock } from "./simulated-clock.ts";
import { inputContext } from "./view.ts";

/** The time of the hub. */
export const now = Date.UTC(2026, 10, 28);
/** An administrator. */
export const alice: Actor = { kind: "administrator", name: "alice", origin: "10.0.0.7", credential: "session" };
/** A row of a file. */
export const row = "2026-11-27 08:30:05,0,NVIDIA H100,75.25,12.5,81559,4012,77546,45,120.553,700.0,30,gpu1\r\n";

type Body = string | Uint8Array | ReadableStream<Uint8Array>;

export class ImportScene {
  /** Who sends. */
  who: Actor = alice;
  readonly model = new Model();
  readonly live = new Live(() => now);
  /** Entries of the audit log, and those of imports that have not ended, by their key. */
  readonly audit: unknown[] = [];
  readonly drafts = new Map<string, unknown>();
  readonly clock = new SimulatedClock(now);
  readonly zone = new Zone("Asia/Shanghai");
  #context: InputContext;
  #input: RunningInput;
  #app: Hono;

  constructor() {
    this.#context = {
      ...inputContext,
      ingest: new Ingest({ live: this.live, history: this.model, now: () => now }),
      history: this.model,
      clock: this.clock,
      random: () => 0,
      log: silent,
      zone: () => this.zone,
      desk: {
        do: (by, { name, target, details }) => {
          this.audit.push({ by: by.kind, name, target, details });
          return undefined as never;
        },
        draft: (key, by, { name, target, details }) =>
          void this.drafts.set(key, { by: by.kind, name, target, details }),
        complete: (key) => {
          for (const [one, entry] of [...this.drafts].filter(([other]) => key === undefined || key === other)) {
            this.drafts.delete(one);
            this.audit.push(entry);
          }
        },
        refused: () => {},
        note: () => {},
      },
    };
    [this.#input, this.#app] = this.#open();
  }

  #open(): [RunningInput, Hono] {
    const input = importer.open(this.#context, {});
    const entry = { offers: ["open", "read", "admin"] as const, open: () => true, identify: () => this.who };
    return [input, application([input], { log: silent, entry })];
  }

  /** Opens the input once more, as after a hub that was killed. @param change of what it is given */
  reopen(change: Partial<InputContext> = {}): void {
    this.#context = { ...this.#context, ...change };
    [this.#input, this.#app] = this.#open();
  }

  async close(): Promise<void> {
    await this.#input.close();
  }

  /** Sends a file. @param query of the route, "" or "?…" */
  async send(body: Body, query = "", type = "text/csv") {
    const response = await this.#app.request(`/api/v1/import${query}`, {
      method: "POST",
      headers: { "Content-Type": type },
      body,
      duplex: "half",
    } as RequestInit);
    return { status: response.status, value: await jsonOf(response) };
  }
}

/** A body that a test sends piece by piece. */
export function piecewise() {
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
