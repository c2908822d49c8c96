// A client that goes away ends the work on its request.

import { type ClientRequest, get } from "node:http";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openFront } from "../../../test/door.ts";
import { begun, EndlessHistory } from "../../../test/endless.ts";
import { viewOf } from "../../../test/view.ts";
import { systemClock } from "../../clock.ts";
import { application } from "../../http/application.ts";
import { listen, type WebServer } from "../../http/server.ts";
import { Live } from "../../live.ts";
import { silent } from "../../log.ts";
import { rest } from "../rest.ts";
import type { RunningView } from "../view.ts";

let history: EndlessHistory;
let view: RunningView;
let web: WebServer;
let errors: string[];

beforeEach(async () => {
  const metrics = ["gpu_temperature", "gpu_memory_used", "gpu_memory_total"];
  history = new EndlessHistory([{ host: "a", level: "gpu", key: "GPU-1", index: 0, metrics, last: 1 }]);
  errors = [];
  const log = { ...silent, error: (line: string) => void errors.push(line) };
  const live = new Live(Date.now);
  live.expect("a", "127.0.0.1:1");
  const hub = viewOf({ live, history, clock: systemClock, log });
  view = await rest.open(hub, {});
  web = await listen(application([view], { log, entry: hub.identity }), {
    address: "127.0.0.1:0",
    front: openFront,
    names: () => [],
    log,
  });
});

afterEach(async () => {
  await view.close();
  await web.close();
});

function ask(path: string): ClientRequest {
  const request = get({ host: "127.0.0.1", port: web.port, path, agent: false });
  return request.on("error", () => {}); // the reset that the test itself causes
}

const range = "from=1&to=100000000";

test.each([
  `/api/history?host=a&metric=gpu_temperature&step=1000&${range}`,
  `/api/history?host=a&metric=gpu_temperature&${range}`,
  `/api/fleet/history?metric=gpu_temperature&step=100000&${range}`,
  `/api/fleet/history?metric=gpu_temperature&from=1&to=100000000000`,
  "/pk",
  "/hist?type=temp",
])("%s: the query ends when its client goes away", async (path) => {
  const request = ask(path);
  await begun(history);
  request.destroy();
  await vi.waitFor(() => expect(history.ended).toEqual([expect.objectContaining({ code: "canceled" })]));
  const { turns } = history;
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  expect(history).toMatchObject({ turns, running: 0 });
  expect(errors).toEqual([]);
});

test("a map that two clients wait for is made until both have gone, and made anew for the next one", async () => {
  const [first, second] = [ask("/pk"), ask("/pk")];
  await begun(history);
  await vi.waitFor(() => expect(history.listed).toBe(2));
  first.destroy();
  const before = history.turns;
  await vi.waitFor(() => expect(history.turns).toBeGreaterThan(before + 100));
  expect(history).toMatchObject({ ended: [], running: 1 });
  second.destroy();
  await vi.waitFor(() => expect(history).toMatchObject({ ended: [{ code: "canceled" }], running: 0 }));
  const third = ask("/pk");
  await begun(history);
  third.destroy();
  await vi.waitFor(() => expect(history.ended).toHaveLength(2));
});
