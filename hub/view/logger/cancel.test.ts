// A client that goes away ends the work on its question, and others are answered while a long one is read.

import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openFront } from "../../../test/door.ts";
import { begun, EndlessHistory } from "../../../test/endless.ts";
import { viewOf } from "../../../test/view.ts";
import { systemClock } from "../../clock.ts";
import { application } from "../../http/application.ts";
import { listen, type WebServer } from "../../http/server.ts";
import { silent } from "../../log.ts";
import { logger } from "../logger.ts";
import type { RunningView } from "../view.ts";

const range = { start_date: "2026-11-01", end_date: "2026-11-28" };
const last = Date.UTC(2026, 10, 28);

let history: EndlessHistory;
let view: RunningView;
let web: WebServer;
let errors: string[];

beforeEach(async () => {
  const metrics = ["gpu_utilization"];
  history = new EndlessHistory([{ host: "a", level: "gpu", key: "GPU-1", index: 0, metrics, last }]);
  errors = [];
  const log = { ...silent, error: (line: string) => void errors.push(line) };
  const hub = viewOf({ history, clock: systemClock, log });
  view = await logger.open(hub, {});
  const door = { address: "127.0.0.1:0", front: openFront, names: () => [], log };
  web = await listen(application([view], { log, entry: hub.identity }), door);
});

afterEach(async () => {
  await view.close();
  await web.close();
});

function ask(query: string, answered: (answer: IncomingMessage) => void = () => {}, days = range): ClientRequest {
  const path = `/api/gpu/${query}`;
  const asked = request({ host: "127.0.0.1", port: web.port, path, method: "POST", agent: false }, answered);
  asked.on("error", () => {}); // the reset that the test itself causes
  asked.end(JSON.stringify(days));
  return asked;
}

test.each(["statistics", "hourly-usage", "daily-usage", "realtime"])(
  "%s: the query ends when its client goes away",
  async (query) => {
    const asked = ask(query);
    await begun(history);
    asked.destroy();
    await vi.waitFor(() => expect(history.ended).toEqual([expect.objectContaining({ code: "canceled" })]));
    const { turns } = history;
    for (let i = 0; i < 20; i++) await new Promise(setImmediate);
    expect(history).toMatchObject({ turns, running: 0 });
    expect(errors).toEqual([]);
  },
);

test("others are answered while a long question is read", async () => {
  const asked = ask("statistics");
  await begun(history);
  const status = await new Promise((resolve) => ask("list", (answer) => resolve(answer.resume().statusCode)));
  expect([status, history.running]).toEqual([200, 1]);
  asked.destroy();
  await vi.waitFor(() => expect(history.running).toBe(0));
});

test("of one address two long questions are worked on at a time, and short ones do not wait for them", async () => {
  const decade = { start_date: "2020-01-01", end_date: "2029-12-31" };
  const long = ["statistics", "daily-usage", "hourly-usage", "daily-usage"].map((query) =>
    ask(query, () => {}, decade),
  );
  await vi.waitFor(() => expect(history.running).toBe(2));
  const status = await new Promise((resolve) => ask("list", (answer) => resolve(answer.resume().statusCode)));
  const short = ask("hourly-usage");
  await vi.waitFor(() => expect(history.running).toBe(3));
  expect(status).toBe(200);
  short.destroy();
  await vi.waitFor(() => expect(history.ended).toHaveLength(1));
  for (const one of long) one.destroy();
  await vi.waitFor(() => expect(history).toMatchObject({ running: 0, ended: Array(3).fill(expect.anything()) }));
  expect(errors).toEqual([]);
});
