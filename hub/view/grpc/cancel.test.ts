// A caller that goes away ends the work on its call.
import * as grpc from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { begun, EndlessHistory } from "../../../test/endless.ts";
import { viewOf } from "../../../test/view.ts";
import { systemClock } from "../../clock.ts";
import { silent } from "../../log.ts";
import { history as view } from "../grpc.ts";
import type { RunningView } from "../view.ts";

let history: EndlessHistory;
let open: RunningView;
let client: grpc.Client;
let errors: string[];

beforeEach(async () => {
  history = new EndlessHistory([
    { host: "a", level: "gpu", key: "GPU-1", index: 0, metrics: ["gpu_temperature"], last: 1 },
  ]);
  errors = [];
  const hub = viewOf({
    history,
    clock: systemClock,
    log: { ...silent, error: (line: string) => void errors.push(line) },
  });
  open = await view.open(hub, { address: "127.0.0.1:0", reflection: false });
  client = new grpc.Client(open.place?.split(" ").at(-1) ?? "", grpc.credentials.createInsecure());
});

afterEach(async () => {
  client.close();
  await open.close();
});

/** HistReq {id: "a_0", type: "temp"}. */
const request = Buffer.from([0x0a, 3, ...Buffer.from("a_0"), 0x1a, 4, ...Buffer.from("temp")]);

test("the query ends when the call is cancelled", async () => {
  const same = (bytes: Buffer): Buffer => bytes;
  const call = client.makeUnaryRequest("/gpu.History/GetHistory", same, same, request, () => {});
  await begun(history);
  call.cancel();
  await vi.waitFor(() => expect(history.ended).toEqual([expect.objectContaining({ code: "canceled" })]));
  const { turns } = history;
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  expect(history).toMatchObject({ turns, running: 0 });
  expect(errors).toEqual([]);
});
