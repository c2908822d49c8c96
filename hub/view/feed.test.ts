import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Event, EventSchema } from "../../proto/gen/feed_pb.js";
import { Model } from "../../test/model.ts";
import { application } from "../http/application.ts";
import { listen, type WebServer } from "../http/server.ts";
import { Live } from "../live.ts";
import { silent } from "../log.ts";
import { feed } from "./feed.ts";
import type { HubView, RunningView } from "./view.ts";

let now = 0;
let folder = "";
let open: RunningView;
let web: WebServer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-feed-"));
  now = 1_800_000_000_000;
  const live = new Live(() => now);
  live.expect("a", "x:1");
  const view: HubView = {
    live,
    history: new Model(),
    // Time passes when a test says so, and nothing happens by itself.
    clock: { now: () => now, after: () => () => {} },
    log: silent,
    version: "1",
    instance: "h",
    name: () => "",
    interval: () => 10,
    web: folder,
    group: () => undefined,
    book: { audit: () => [] },
  };
  open = await feed.open(view, {});
  web = await listen(application([open], { log: silent }), { address: "127.0.0.1:0", names: () => [], log: silent });
});

afterEach(async () => {
  await open.close();
  await web.close();
  rmSync(folder, { recursive: true });
});

/** A viewer that stays, and its first event. */
async function join_(): Promise<Event> {
  const answer = await fetch(`http://127.0.0.1:${web.port}/feed`);
  let text = "";
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  while (!text.includes("\n\n")) text += (await reader?.read())?.value ?? "";
  return fromBinary(EventSchema, Buffer.from(/^data: (.*)$/m.exec(text)?.[1] ?? "", "base64"));
}

test("every viewer's first event carries the hub's clock of that moment, however long the others have been there", async () => {
  expect((await join_()).now).toBe(1_800_000_000_000n);
  now += 13_500;
  expect((await join_()).now).toBe(1_800_000_013_500n);
  now -= 3_600_000;
  expect((await join_()).now).toBe(BigInt(now));
});

test("the first event names the script of the page that is there now, also after a new build, and none during one", async () => {
  const index = join(folder, "index.html");
  expect((await join_()).page).toBe("");
  writeFileSync(index, '<script type="module" src="app-AAAAAAAA.js"></script>');
  now += 2000;
  expect((await join_()).page).toBe("app-AAAAAAAA.js");
  rmSync(index);
  now += 2000;
  expect((await join_()).page).toBe("");
  writeFileSync(index, '<title>x</title><script type="module" src="app-BBBBBBBB.js"></script>');
  now += 2000;
  expect((await join_()).page).toBe("app-BBBBBBBB.js");
});
