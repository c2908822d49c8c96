import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Event, EventSchema } from "../../proto/gen/feed_pb.js";
import { viewOf } from "../../test/view.ts";
import { application } from "../http/application.ts";
import { listen, type WebServer } from "../http/server.ts";
import { Live } from "../live.ts";
import { silent } from "../log.ts";
import { feed } from "./feed.ts";
import type { RunningView } from "./view.ts";

let now = 0;
let read: "open" | "login" = "open";
let live: Live;
let timers: (() => void)[] = [];
let folder = "";
let open: RunningView;
let web: WebServer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-feed-"));
  now = 1_800_000_000_000;
  [read, timers] = ["open", []];
  live = new Live(() => now);
  live.expect("a", "x:1");
  // Time passes when a test says so, and nothing happens by itself.
  const after = (_ms: number, run: () => void) => {
    timers.push(run);
    return () => {
      timers = timers.filter((timer) => timer !== run);
    };
  };
  const view = viewOf({ live, clock: { now: () => now, after }, web: folder, read: () => read });
  open = await feed.open(view, {});
  web = await listen(application([open], { log: silent, entry: view.identity }), {
    address: "127.0.0.1:0",
    names: () => [],
    log: silent,
  });
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

test("a viewer is disconnected seconds after losing the right to read, and its browser is told to sign in", async () => {
  const answer = await fetch(`http://127.0.0.1:${web.port}/feed`);
  const reader = answer.body?.getReader();
  await reader?.read();
  const step = (): void => {
    live.notice("step", `${now}`);
    for (const run of timers.splice(0)) run();
  };
  now += 5000;
  step();
  read = "login";
  now += 4000;
  step();
  expect((await reader?.read())?.done).toBe(false);
  now += 1000;
  step();
  await expect(
    (async () => {
      while (!(await reader?.read())?.done);
    })(),
  ).rejects.toThrow();
  expect((await fetch(`http://127.0.0.1:${web.port}/feed`)).status).toBe(401);
});
