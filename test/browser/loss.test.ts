// What the page says when something is gone: the hub, a host, all hosts, sound settings.
import { create } from "@bufbuild/protobuf";
import type { Browser } from "playwright-core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HostInfoSchema, State } from "../../proto/gen/host_pb.js";
import { type Info, machine, type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { faultsOf, missingBrowser, openBrowser, openPage, type Watched } from "./browser.ts";

const missing = missingBrowser();
const patience = { timeout: 30_000 };

let browser: Browser;
let at: HubFolder;
let hub: RunningHub;
let node: PlayedHost;
let watched: Watched;

async function begin(settings: object): Promise<void> {
  at.write(settings);
  hub = await startHub(at);
  watched = await openPage(browser, hub.url);
}

describe.skipIf(missing)(missing ?? "the page when something is gone", () => {
  beforeEach(async () => {
    browser = await openBrowser();
    at = hubFolder();
    node = await playHost(() => machine(Date.now()));
  });

  afterEach(async () => {
    await browser.close();
    await hub.stop();
    node.close();
    at.remove();
  });

  test("a stopped hub is shown as lost, old values are not shown as live, and the page reconnects by itself", async () => {
    const settings = { servers: { node: node.address }, poll: { interval: 1 } };
    await begin(settings);
    const { page } = watched;
    await page.locator("tbody .card").first().waitFor();
    const struck = (): Promise<string> =>
      page
        .locator(".card .util .figure")
        .first()
        .evaluate((figure) => getComputedStyle(figure).textDecorationLine);
    expect(await struck()).toBe("none");
    // Nothing can be loaded from a hub that is away: the map is, before.
    const map = page.getByRole("application");
    await page.getByRole("button", { name: "Map" }).click();
    await map.waitFor(patience);
    await page.getByRole("button", { name: "Rows" }).click();
    await hub.stop();
    const alert = page.getByRole("alert");
    await alert.waitFor(patience);
    expect(await alert.textContent()).toMatch(/No connection to the hub since \d\d:\d\d:\d\d/);
    expect(await page.locator("h1").textContent()).toMatch(/were free of 2 cards.*last known/);
    expect(await page.getByText("live", { exact: true }).count()).toBe(0);
    expect(await struck()).toBe("line-through");
    expect(await page.locator("tbody .card").first().textContent()).toContain("last known");
    expect(await faultsOf(page)).toEqual([]);
    await page.getByRole("button", { name: "Map" }).click();
    await map.focus();
    await page.keyboard.press("ArrowRight");
    const detail = page.locator(".heat-detail");
    expect(await detail.textContent()).toMatch(/card 0.*last known.*40%/);
    expect(
      await detail
        .locator(".figure")
        .first()
        .evaluate((one) => getComputedStyle(one).textDecorationLine),
    ).toBe("line-through");
    await page.getByRole("button", { name: "Rows" }).click();
    node.answer(() => machine(Date.now(), 66));
    hub = await startHub(at, { GOHM_HUB_ADDR: new URL(hub.url).host });
    await alert.waitFor({ state: "detached", ...patience });
    await expect.poll(() => page.locator("tbody .card .util").first().textContent(), patience).toBe("66%");
    expect(await struck()).toBe("none");
  });

  test("a host that is gone is shown with the reason and the age of its last answer, and offers no card", async () => {
    const idle = (): Info =>
      create(HostInfoSchema, {
        hostname: "node",
        gpus: [{ id: 0, name: "NVIDIA H100", state: State.OK, utilization: 0, memUsed: 0n, memTotal: 80n }],
      });
    node.answer(idle);
    await begin({ servers: { node: node.address }, poll: { interval: 1, deadline: 1 } });
    const { page } = watched;
    await expect.poll(() => page.locator("h1 strong").textContent(), patience).toBe("1");
    node.close();
    const region = page.getByRole("region", { name: "node", exact: true });
    await region.getByText(/Unreachable for/).waitFor(patience);
    expect(await region.getAttribute("class")).toContain("old");
    expect(await faultsOf(page)).toEqual([]);
    expect(await region.textContent()).toContain(node.address);
    expect(await region.textContent()).toMatch(/The values below are .* old/);
    expect(await page.locator("h1 strong").textContent()).toBe("0");
    expect(await page.locator(".column.broken").textContent()).toMatch(/nodeUnreachable for/);
    node = await playHost(idle, node.port);
    await expect.poll(() => page.locator("h1 strong").textContent(), patience).toBe("1");
    expect(await region.getAttribute("class")).not.toContain("old");
  });

  test("a host's page that cannot load its details says why, and does not show its values as live", async () => {
    node.answer(() => ({ ...machine(Date.now()), agentVersion: "7.7.7" }));
    await begin({ servers: { node: node.address }, poll: { interval: 1 } });
    const { page } = watched;
    const path = /\/feed\/host\?name=node$/;
    await page.route(path, (route) => route.fulfill({ status: 503, body: "busy" }));
    await page.goto(`${hub.url}/#/host/node`);
    await page.getByText("could not be fetched").waitFor(patience);
    expect(await page.locator(".standing").textContent()).toContain("503 busy");
    expect(await page.locator(".fact-list").count()).toBe(0);
    await page.unroute(path);
    await page.getByText("7.7.7").waitFor(patience);
    const struck = (): Promise<string> =>
      page
        .locator(".card .util .figure")
        .first()
        .evaluate((figure) => getComputedStyle(figure).textDecorationLine);
    expect(await struck()).toBe("none");
    await page.route(path, (route) => route.abort());
    await page.getByText("could not be fetched").waitFor(patience);
    expect(await struck()).toBe("line-through");
  });

  test("a host that never answered says so and shows no values", async () => {
    node.close();
    await begin({ servers: { node: node.address }, poll: { interval: 1, deadline: 1 } });
    const region = watched.page.getByRole("region", { name: "node", exact: true });
    await region.getByText("Never reached").waitFor(patience);
    // The hub has just started: it does not know since when.
    expect(await watched.page.locator(".column.broken").textContent()).toContain("nodeNever reached");
    expect(await region.locator("table, .vitals").count()).toBe(0);
  });

  test("a machine whose driver fails says why it shows no cards", async () => {
    const broken = (): Info =>
      create(HostInfoSchema, {
        hostname: "node",
        err: "Driver/library version mismatch",
        sources: [{ name: "nvidia", state: State.STALE, err: "Driver/library version mismatch" }],
      });
    node.answer(broken);
    await begin({ servers: { node: node.address }, poll: { interval: 1 } });
    const region = watched.page.getByRole("region", { name: "node", exact: true });
    await region.getByText("Driver/library version mismatch").waitFor(patience);
    expect(await watched.page.locator(".column.broken").textContent()).toContain("nodenvidia cannot be read");
  });

  test("without hosts the page says where to name them, and shows one as soon as it is named", async () => {
    await begin({ servers: {} });
    const { page } = watched;
    await page.getByText("No hosts are set up yet.").waitFor(patience);
    at.write({ servers: { node: node.address }, poll: { interval: 1 } });
    await page.locator("tbody .card").first().waitFor(patience);
  });

  test("an error in the settings is shown until it is fixed", async () => {
    await begin({ servers: { node: node.address }, poll: { interval: 1 } });
    const { page } = watched;
    await page.locator("tbody .card").first().waitFor(patience);
    at.write("{ broken");
    const notice = page.locator(".banner.held");
    await notice.waitFor(patience);
    expect(await notice.textContent()).toContain("settings.json");
    at.write({ servers: { node: node.address }, poll: { interval: 1 } });
    await notice.waitFor({ state: "detached", ...patience });
  });
});
