// The page with a host that was renamed and a machine that waits for approval, from a hub in this process.
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Ingest, type Owner } from "../../hub/ingest.ts";
import { Live } from "../../hub/live.ts";
import { type HostInfo, HostInfoSchema } from "../../proto/gen/host_pb.js";
import { machine } from "../host.ts";
import { Model } from "../model.ts";
import { top } from "../program.ts";
import { RosterFixture } from "../roster.ts";
import { type ServedViews, serveViews } from "../served.ts";
import { viewOf } from "../view.ts";
import { missingBrowser, openBrowser, openPage } from "./browser.ts";

const missing = missingBrowser();
const poll: Owner = { input: "poll", origin: "settings" };
const push: Owner = { input: "portal", origin: "push" };

/** A machine with one free card, and one of whose disks is full. */
function report(uuid: string): HostInfo {
  const info = create(HostInfoSchema, machine(Date.now(), 0));
  const [card] = info.gpus;
  if (card === undefined) throw new Error("a machine has cards");
  Object.assign(card, { uuid, procs: [], memUsed: 0n });
  info.gpus = [card];
  for (const disk of info.disks) disk.used = disk.total;
  return info;
}

describe.skipIf(missing)(missing ?? "names of hosts", () => {
  let browser: Browser;
  let served: ServedViews;

  beforeAll(async () => {
    browser = await openBrowser();
    const scene = new RosterFixture({ gpu1: "127.0.0.1:1" });
    const live = new Live(Date.now);
    const history = new Model();
    const ingest = new Ingest({ live, history, now: Date.now, directory: scene.roster });
    scene.write({
      hosts: [{ name: "gpu1", shown: "Blue", group: "lab-a", labels: { rack: "7" } }],
      nodes: [{ hostname: "stranger" }],
    });
    for (const [name, by] of [["gpu1", poll] as const, ["stranger", push] as const]) {
      ingest.claim(name, by, "127.0.0.1:1");
      ingest.received(name, report(`GPU-${name}`), by);
    }
    const hub = { ...viewOf({ live, history, web: join(top, "dist", "web") }), roster: scene.roster };
    served = await serveViews(hub);
  });
  afterAll(async () => {
    await browser?.close();
    await served?.close();
  });

  const url = (path = ""): string => `${served.url}/${path}`;

  test("a renamed host is called by its new name everywhere, and its links lead to it", async () => {
    const { page, close } = await openPage(browser, url());
    try {
      const link = page.locator("section.host h2 a", { hasText: "Blue" });
      await link.waitFor();
      expect(await link.getAttribute("href")).toBe("#/host/gpu1");
      expect(await page.locator(".trouble-line a").allTextContents()).toEqual(["Blue"]);
      expect(await page.locator(".places .place a").allTextContents()).toEqual(["Blue"]);
      expect(await page.getByText("gpu1", { exact: true }).count()).toBe(0);
      await page.goto(url("#/host/Blue"));
      await page.locator("h1", { hasText: "Blue" }).waitFor();
      const facts = page.locator(".fact-list div");
      await facts.filter({ hasText: "Group" }).getByText("lab-a").waitFor();
      await facts.filter({ hasText: "Labels" }).getByText("rack: 7").waitFor();
    } finally {
      await close();
    }
  });

  test("a machine that waits for approval is listed as such, and is in none of the figures", async () => {
    const { page, close } = await openPage(browser, url());
    try {
      const host = page.locator("section.host", { hasText: "stranger" });
      await host.getByText("Waits for approval").waitFor();
      expect(await host.locator(".mark.free").count()).toBe(0);
      expect(await page.locator("h1").textContent()).toBe("1 free of 1 card");
      await page.getByText("1 host", { exact: true }).first().waitFor();
      await page.getByRole("button", { name: /^Free/ }).click();
      await host.waitFor({ state: "detached" });
    } finally {
      await close();
    }
  });

  test("a card of a machine that waits is not called free on the machine's own page either", async () => {
    const { page, close } = await openPage(browser, url("#/host/stranger"));
    try {
      await page.getByText("Waits for approval").waitFor();
      const card = page.locator("tbody .card");
      await card.waitFor();
      expect(await card.locator(".mark.free, .word").count()).toBe(0);
    } finally {
      await close();
    }
  });
});
