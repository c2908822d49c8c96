// The page of somebody who may not see the people who use the machines, from a hub in this process.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { create, fromJsonString } from "@bufbuild/protobuf";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../hub/clock.ts";
import { Live } from "../../hub/live.ts";
import { Privacy } from "../../hub/privacy.ts";
import { type HostInfo, HostInfoSchema } from "../../proto/gen/host_pb.js";
import { top } from "../program.ts";
import { type ServedViews, serveViews } from "../served.ts";
import { viewOf } from "../view.ts";
import { missingBrowser, openBrowser, openPage } from "./browser.ts";
import { h100 } from "./scene.ts";

const missing = missingBrowser();

/** A captured machine, of which one card is allocated to a pod. */
function captured(): HostInfo {
  const read = (name: string): HostInfo =>
    fromJsonString(HostInfoSchema, readFileSync(join(top, "test/capture", h100, name), "utf8"));
  const info = { ...read("host.json"), gpus: read("expected.json").gpus };
  const { gpus, disks } = create(HostInfoSchema, {
    gpus: [{ holders: [{ namespace: "erin", pod: "notebook-0", container: "main" }] }],
    disks: [{ mount: "/home/alice", device: "nas:/home/alice", used: 1n, total: 2n, fstype: "nfs4" }],
  });
  Object.assign(info.gpus[6] ?? {}, { holders: gpus[0]?.holders });
  info.disks.push(...disks);
  return info;
}

describe.skipIf(missing)(missing ?? "people on the page", () => {
  let browser: Browser;
  let served: ServedViews;
  const privacy = new Privacy({ now: Date.now, users: "shown" });

  beforeAll(async () => {
    browser = await openBrowser();
    const live = new Live(Date.now);
    live.expect("dgx", "127.0.0.1:1");
    live.received("dgx", captured());
    const hub = viewOf({ live, privacy, clock: systemClock, web: join(top, "dist", "web") });
    served = await serveViews(hub);
  });
  afterAll(async () => {
    await browser?.close();
    await served?.close();
  });

  const url = (path = ""): string => `${served.url}/${path}`;
  const words = async (page: Page): Promise<string> => (await page.locator("body").innerHTML()).toLowerCase();

  test("a page that is open loses the names as soon as the setting says so, and keeps what each person holds", async () => {
    privacy.change("shown");
    const { page, close } = await openPage(browser, url());
    try {
      await page.getByText("alice").first().waitFor();
      expect(await words(page)).toContain("python3");
      privacy.change("initials");
      await page.getByText("a.", { exact: true }).first().waitFor();
      const html = await words(page);
      for (const name of ["alice", "bob", "carol", "dmitri", "erin", "python3"]) expect(html).not.toContain(name);
      for (const alias of ["a.", "b.", "c.", "d.", "e."])
        expect(await page.getByText(alias, { exact: true }).count()).toBeGreaterThan(0);
    } finally {
      await close();
    }
  });

  test("the page of a host shows processes and pods under their aliases, and no command and no home folder", async () => {
    privacy.change("hidden");
    const { page, close } = await openPage(browser, url("#/host/dgx"));
    try {
      await page.getByText("/home/#", { exact: false }).first().waitFor();
      const html = await words(page);
      for (const name of ["alice", "bob", "carol", "erin", "notebook", "python3", "undefined"])
        expect(html).not.toContain(name);
      expect(await page.locator("td", { hasText: /^#\d+$/ }).count()).toBeGreaterThan(6);
    } finally {
      await close();
    }
  });
});
