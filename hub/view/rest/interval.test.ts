import { afterEach, beforeEach, expect, test } from "vitest";
import { jsonOf } from "../../../test/answer.ts";
import { Model, valuesOf } from "../../../test/model.ts";
import { viewOf } from "../../../test/view.ts";
import { application } from "../../http/application.ts";
import { silent } from "../../log.ts";
import { rest } from "../rest.ts";
import type { RunningView } from "../view.ts";

const minute = 60_000;
/** At a quarter of an hour, and no multiple of an hour. */
const from = 1_800_000_000_000 + 15 * minute;

let model: Model;
let open: RunningView;
let app: ReturnType<typeof application>;

beforeEach(async () => {
  model = new Model();
  const hub = viewOf({ history: model, clock: { now: () => from + 100 * minute, after: () => () => {} } });
  open = await rest.open(hub, {});
  app = application([open], { log: silent, entry: hub.identity });
});

afterEach(() => open.close());

/** A sample of a card of which `used` of 4 bytes are in use. */
function put(at: number, index: number, utilization: number, used: number): void {
  const values = valuesOf("gpu", {
    ...{ gpu_utilization: utilization, gpu_memory_used: used, gpu_memory_total: 4 },
  });
  model.append({ host: "a", at, devices: [{ level: "gpu", key: `GPU-${index}`, index, values }] });
}

const asked = (more: string): string => `/api/history/intervals?host=a&from=${from}${more}`;
const json = async (path: string) => jsonOf(await app.request(path));

test("means of ten minutes of each GPU are named by the end of their interval", async () => {
  put(from, 0, 10, 1);
  put(from + 9 * minute, 0, 20, 2);
  put(from + 10 * minute, 0, 50, 4);
  put(from + 35 * minute, 3, 7, 0);
  const [first = 0, second = 0, fourth = 0] = [10, 20, 40].map((minutes) => from / 1000 + minutes * 60);
  expect(await json(asked(`&to=${from + 60 * minute}`))).toEqual({
    host: "a",
    gpus: [
      { index: 0, t: [first, second], gpu_percent: [15, 50], vram_percent: [37.5, 100] },
      { index: 3, t: [fourth], gpu_percent: [7], vram_percent: [0] },
    ],
    issues: [],
  });
});

test.each([
  [asked(`&to=${from + 25 * 60 * minute + 1}`), 400, "bad_request", "at most 25 hours later"],
  [`/api/history/intervals?host=a&from=${from + 1}&to=${from + minute}`, 400, "bad_request", "a quarter of an hour"],
  [asked(`&to=${from}`), 400, "bad_request", '"from" must be before "to"'],
  [asked(""), 400, "bad_request", 'The parameter "to" is missing: it must be the end of the range.'],
  [`/api/history/intervals?host=b&from=${from}&to=${from + minute}`, 404, "host_unknown", 'no GPU of a host "b"'],
])("%s is refused: %d %s", async (path, status, code, words) => {
  put(from, 0, 10, 1);
  const answer = await app.request(path);
  const { error } = (await answer.json()) as { error: { code: string; message: string } };
  expect([answer.status, error.code]).toEqual([status, code]);
  expect(error.message).toContain(words);
});
