// A hub that answers the queries of the GPU Metrics Logger, over a history of plain lists.

import { expect } from "vitest";
import { application } from "../hub/http/application.ts";
import { Live } from "../hub/live.ts";
import { silent } from "../hub/log.ts";
import { logger } from "../hub/view/logger.ts";
import type { HubView } from "../hub/view/view.ts";
import { Zone } from "../program/zone.ts";
import { jsonOf } from "./answer.ts";
import { Model, valuesOf } from "./model.ts";
import { RosterFixture } from "./roster.ts";
import { viewOf } from "./view.ts";

export const now = Date.parse("2026-11-28T00:30:05.123Z");

interface Card {
  readonly host?: string;
  readonly index?: number;
  readonly key?: string;
}

export class LoggerFixture {
  readonly model = new Model();
  readonly live = new Live(() => now);
  readonly roster = new RosterFixture();
  zone = new Zone("Asia/Shanghai");
  read: "open" | "login" = "open";
  readonly hub: HubView;
  #app: ReturnType<typeof application> | undefined;

  constructor() {
    const { live, model: history, roster } = this;
    const clock = { now: () => now, after: () => () => {} };
    const view = viewOf({ live, history, clock, zone: () => this.zone, read: () => this.read });
    this.hub = { ...view, roster: roster.roster };
  }

  async open(): Promise<void> {
    this.#app = application([await logger.open(this.hub, {})], { log: silent, entry: this.hub.identity });
  }

  /** Appends a sample of a card. @param at local time, with a fraction of a second if it has one */
  put(
    at: string,
    values: Readonly<Record<string, number>>,
    { host = "gpu1", index = 0, key = `GPU-${host}-${index}` }: Card = {},
  ): void {
    const time = this.zone.parse(at) ?? Number.NaN;
    const device = { level: "gpu" as const, key, index, values: valuesOf("gpu", values) };
    this.model.append({ host, at: time, devices: [device] });
  }

  request(path: string, init?: RequestInit): Response | Promise<Response> {
    if (this.#app === undefined) throw new Error("the hub is not open");
    return this.#app.request(path, init);
  }

  /** Sends a query, and returns the data of the answer, whatever it is. */
  async ask(query: string, body: object = {}) {
    const answer = await this.request(`/api/gpu/${query}`, { method: "POST", body: JSON.stringify(body) });
    const { success, data } = await jsonOf(answer);
    expect([answer.status, success]).toEqual([200, true]);
    return data;
  }
}
