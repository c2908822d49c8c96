// What an administrator does with hosts in the page, with a real hub, polled machines and machines that report by themselves.
import { linkSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { SystemInfoSchema } from "../../proto/gen/host_pb.js";
import { type Info, machine, playHost } from "../host.ts";
import {
  claim,
  harm,
  misses,
  nasty,
  panel,
  patience,
  pusher,
  register,
  sample,
  sees,
  signIn,
} from "./administration.ts";
import { missingBrowser } from "./browser.ts";
import { Lab } from "./lab.ts";

const missing = missingBrowser();

const group = (page: Page, name: string) => page.getByRole("group", { name: new RegExp(`^${name}`) });
const devices = (page: Page) =>
  page.locator("form").filter({ has: page.getByRole("heading", { name: "What is recorded" }) });
const identity = (page: Page) =>
  page.locator("form").filter({ has: page.getByRole("heading", { name: "Name, group, labels" }) });
const save = (form: ReturnType<typeof devices>) => form.getByRole("button", { name: "Save" }).click();

describe.skipIf(missing)(missing ?? "administration of hosts in the page", () => {
  const lab = new Lab({ machines: { node: () => machine(Date.now()), evil: harm } });

  test("addresses that were refused are listed below the hosts, with what they claim to be and what to do", async () => {
    const page = await lab.administer();
    const section = page.locator("section", {
      has: page.getByRole("heading", { name: /refused within the last hour/ }),
    });
    await page.getByRole("heading", { name: /^\d+ hosts?$/ }).waitFor(patience);
    expect(await section.count()).toBe(0);
    for (let i = 1; i <= 7; i++) expect(await claim(lab.url, nasty, `127.0.0.${10 + i}`)).toBe(400);
    await sees(section.getByText("7 addresses were refused within the last hour"));
    const items = section.locator("li");
    expect(await items.count()).toBe(5);
    expect(await items.first().textContent()).toMatch(
      /^127\.0\.0\.17 claims to be <img src=x.*request not understood \(1×\) last .*Check which program runs there/,
    );
    await section.getByRole("button", { name: "Show all" }).click();
    expect(await items.count()).toBe(7);
    expect(await page.evaluate(() => (window as unknown as { caught?: number }).caught)).toBeUndefined();
    expect(await page.locator("main img, main script").count()).toBe(0);
  });

  test("a host that waits is seen at once, is approved where it is listed, and a card of it is unticked", async () => {
    const gpu7 = await pusher(lab.url, "gpu7");
    const page = await lab.open();
    await page.getByRole("region", { name: "node", exact: true }).waitFor(patience);
    await page.getByRole("region", { name: "gpu7", exact: true }).getByText("Waits for approval").waitFor(patience);
    await expect.poll(() => page.locator(".answer h1").textContent(), patience).toContain("of 4 cards");
    expect(await page.getByRole("link", { name: "1 host waits" }).count()).toBe(0);
    await page.getByRole("button", { name: "Sign in" }).click();
    await signIn(page);
    await page.getByRole("banner").getByRole("link", { name: "1 host waits" }).click(patience);
    await page.getByRole("heading", { name: "1 host waits for approval" }).waitFor(patience);
    await page.getByText("4 × NVIDIA A100-SXM4-80GB, 64 threads, 503 GiB memory").waitFor();
    await page.getByRole("button", { name: "Approve gpu7" }).click();
    await page.getByText("gpu7 is approved.").waitFor(patience);
    expect(await page.locator(":focus").textContent()).toContain("gpu7 is approved.");
    await expect.poll(() => page.getByRole("link", { name: "1 host waits" }).count(), patience).toBe(0);
    await page.getByRole("link", { name: "gpu7", exact: true }).click();
    await group(page, "GPUs").getByText("4 of 4").waitFor(patience);
    await group(page, "GPUs")
      .getByRole("checkbox", { name: /^2 NVIDIA/ })
      .uncheck();
    await group(page, "GPUs").getByText("3 of 4").waitFor();
    await save(devices(page));
    await page.getByText("Saved as version 1.").waitFor(patience);
    await page.getByText("The host has not yet fetched version 1").waitFor(patience);
    expect(await gpu7.report()).toEqual({ status: 200, configVersion: 1 });
    expect(await gpu7.config()).toMatchObject({ gpuIndices: [0, 1, 3], diskMounts: null, nicNames: null });
    await sees(page.getByText("The host fetched version 1"));
    await gpu7.report();
    await page.goto(`${lab.url}/#/`);
    const cards = page.getByRole("region", { name: "gpu7", exact: true }).locator("tbody .card");
    await expect.poll(() => cards.count(), patience).toBe(3);
    await expect.poll(() => page.locator(".answer h1").textContent(), patience).toContain("of 7 cards");
  });

  test("what is not ticked of a polled host is dropped as well, until everything is ticked again", async () => {
    const page = await lab.administer(panel("node"));
    const cards = (): Promise<number> =>
      viewer.getByRole("region", { name: "node", exact: true }).locator("tbody .card").count();
    const viewer = await page.context().newPage();
    await viewer.goto(lab.url);
    await expect.poll(cards, patience).toBe(2);
    await group(page, "GPUs").getByRole("checkbox", { name: /^1 / }).uncheck(patience);
    expect(await group(page, "GPUs").getByRole("checkbox", { name: /^All/ }).isChecked()).toBe(false);
    await devices(page).getByText("Not saved yet.").waitFor();
    await devices(page).getByRole("button", { name: "Discard" }).click();
    expect(await group(page, "GPUs").getByRole("checkbox", { name: /^1 / }).isChecked()).toBe(true);
    await group(page, "GPUs").getByRole("checkbox", { name: /^1 / }).uncheck();
    await save(devices(page));
    await sees(page.getByText(/^Version \d+ is in effect\.$/));
    await expect.poll(cards, patience).toBe(1);
    await sees(group(page, "GPUs").getByRole("checkbox", { name: /^1 / }));
    await group(page, "GPUs").getByRole("checkbox", { name: /^All/ }).check();
    await save(devices(page));
    await expect.poll(cards, patience).toBe(2);
  });

  test("an interval that is none is said to be wrong, and nothing is saved; a right one is saved", async () => {
    const page = await lab.administer(panel("node"));
    const field = devices(page).getByLabel("Interval in seconds");
    for (const wrong of ["0", "3601", "1.5", "soon"]) {
      await field.fill(wrong, patience);
      await save(devices(page));
      await devices(page).getByRole("alert").getByText("Must be a whole number from 1 to 3600, or empty.").waitFor();
    }
    await field.fill("7");
    await save(devices(page));
    await devices(page)
      .getByText(/Saved as version \d+\./)
      .waitFor(patience);
    await page.reload();
    await expect.poll(() => field.inputValue(), patience).toBe("7");
    await field.fill("");
    await save(devices(page));
    await devices(page)
      .getByText(/Saved as version \d+\./)
      .waitFor(patience);
  });

  test("two administrators see that one has saved meanwhile", async () => {
    const [one, other] = [await lab.administer(panel("evil")), await lab.administer(panel("evil"))];
    await devices(one).getByLabel("Interval in seconds").fill("9", patience);
    await devices(other).getByLabel("Interval in seconds").fill("8", patience);
    await save(devices(other));
    await devices(other)
      .getByText(/Saved as version \d+\./)
      .waitFor(patience);
    await devices(one)
      .getByText(/Somebody saved version \d+ meanwhile/)
      .waitFor(patience);
    await devices(one).getByRole("button", { name: "Discard" }).click();
    expect(await devices(one).getByLabel("Interval in seconds").inputValue()).toBe("8");
  });

  test("name, group and labels are changed, a taken name is refused beside its field, and what is typed is checked", async () => {
    await pusher(lab.url, "gpu8");
    const page = await lab.administer(panel("gpu8"));
    const form = identity(page);
    await form.getByLabel("Shown name").fill("node", patience);
    await save(form);
    await form.getByRole("alert").getByText("This name is taken.").waitFor(patience);
    expect(await form.getByLabel("Shown name").getAttribute("aria-invalid")).toBe("true");
    await form.getByLabel("Shown name").fill("Blue box");
    await form.getByLabel("Group", { exact: true }).fill("lab-a");
    await form.getByRole("button", { name: "Add a label" }).click();
    await form.getByLabel("Value of label 1").fill("7");
    await save(form);
    await form.getByText("Label 1 has no name.").waitFor();
    await form.getByLabel("Name of label 1").fill("rack");
    await form.getByRole("button", { name: "Add a label" }).click();
    await form.getByLabel("Name of label 2").fill("rack");
    await save(form);
    await form.getByText("The name of label 2 is there twice.").waitFor();
    await form.getByRole("button", { name: "Remove label 2" }).click();
    await save(form);
    await form.getByText("Saved.").waitFor(patience);
    await page.getByRole("heading", { name: "Blue box" }).waitFor(patience);
    await page.goto(`${lab.url}/#/admin`);
    const waiting = page.getByRole("listitem").filter({ hasText: "Blue box" });
    await waiting.getByRole("button", { name: "Approve Blue box" }).click(patience);
    const row = page.locator("tbody tr", { hasText: "Blue box" });
    await row.getByText("lab-a").waitFor(patience);
    await row.getByText("rack: 7").waitFor();
    await row.getByText("gpu8").waitFor();
    await page.getByRole("searchbox").fill("lab-a");
    expect(await page.locator("tbody tr").count()).toBe(1);
    await page.getByRole("searchbox").fill("no such host");
    await page.getByText("No card fits this filter.").waitFor();
  });

  test("a token is reset: the old one is refused, and the host name registers once more without approval", async () => {
    const before = await pusher(lab.url, "gpu9");
    const page = await lab.administer(panel("gpu9"));
    await page.getByRole("button", { name: "Approve gpu9" }).click(patience);
    await page.getByText("gpu9 is approved.").waitFor(patience);
    expect(await register(lab.url, "gpu9")).toBe(409);
    await page.getByRole("button", { name: "Reset token" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    expect((await before.report()).status).toBe(200);
    await page.getByRole("button", { name: "Reset token" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Reset token" }).click();
    await page.getByText("The token was reset.").waitFor(patience);
    expect((await before.report()).status).toBe(401);
    await pusher(lab.url, "gpu9");
    expect(await register(lab.url, "gpu9")).toBe(409);
    await sees(page.getByText("Lost or leaked the token?"));
    expect(await page.getByRole("button", { name: "Approve gpu9" }).count()).toBe(0);
  });

  test("the name of a client of the logger, which has no token, is opened for an agent, which is that host then", async () => {
    const body = '{"timestamp":"2026-11-27 08:30:00","gpu_id":0,"gpu_name":"H100","client_name":"client 1"}';
    await fetch(`${lab.url}/api/receive-data`, { method: "POST", body });
    const page = await lab.administer(panel("client 1"));
    await page.getByRole("button", { name: "Approve client 1" }).click(patience);
    expect(await register(lab.url, "client 1")).toBe(409);
    expect(await page.getByRole("button", { name: "Reset token" }).count()).toBe(0);
    await page.getByRole("button", { name: "Open the name" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Open the name" }).click();
    await pusher(lab.url, "client 1");
    await sees(page.getByText("Lost or leaked"));
  });

  test("a host is deleted, with its history only where that is ticked, or where nobody has approved it", async () => {
    const known = async (name: string): Promise<number> =>
      (await fetch(`${lab.url}/api/history?${new URLSearchParams({ host: name, metric: "gpu_utilization" })}`)).status;
    for (const [name, history] of [
      ["kept", false],
      ["gone", true],
      ["stranger", true],
    ] as const) {
      const pushing = await pusher(lab.url, name);
      const page = await lab.administer(panel(name));
      const isApproved = name !== "stranger";
      if (isApproved) {
        await page.getByRole("button", { name: `Approve ${name}` }).click(patience);
        await page.getByText(`${name} is approved.`).waitFor(patience);
      }
      await pushing.report();
      await expect.poll(() => known(name), patience).toBe(200);
      await page.getByRole("button", { name: "Delete host" }).click();
      if (!isApproved) await page.getByText("what it sent is deleted with it").waitFor(patience);
      else if (history) await page.getByLabel(/^Delete its history, too/).check();
      await page
        .getByRole("dialog")
        .getByRole("button", { name: /^Delete host/ })
        .click();
      await page.getByText(`${name}${history ? " and its history were" : " was"} deleted.`).waitFor(patience);
      expect(page.url()).toBe(`${lab.url}/#/admin`);
      expect(await page.getByRole("link", { name, exact: true }).count()).toBe(0);
      expect((await pushing.report()).status).toBe(401);
      await expect.poll(() => known(name), patience).toBe(history ? 404 : 200);
    }
  });

  test("a host to poll is added, its address is changed, and an address that is none is refused beside the field", async () => {
    const added = await playHost(() => ({ ...machine(Date.now()), hostname: "added" }));
    try {
      const page = await lab.administer();
      await page.getByRole("button", { name: "Add a host" }).click();
      expect(await page.getByLabel("Command to run on the machine", { exact: true }).inputValue()).toBe(
        `./hmonitor --server ${lab.url}`,
      );
      await page.getByLabel("Name", { exact: true }).fill("added");
      await page.getByLabel("Address", { exact: true }).fill("no port");
      await page.getByRole("button", { name: "Add", exact: true }).click();
      await page.getByRole("alert").waitFor(patience);
      expect(await page.getByLabel("Address", { exact: true }).getAttribute("aria-invalid")).toBe("true");
      await page.getByLabel("Address", { exact: true }).fill("127.0.0.1:1");
      await page.getByRole("button", { name: "Add", exact: true }).click();
      await page.getByText("added is being polled.").waitFor(patience);
      await page.getByRole("link", { name: "added", exact: true }).click();
      await identity(page).getByLabel("Address", { exact: true }).fill(added.address, patience);
      await save(identity(page));
      await identity(page).getByText("Saved.").waitFor(patience);
      await page.goto(`${lab.url}/#/`);
      await page.getByRole("region", { name: "added", exact: true }).locator("tbody .card").first().waitFor(patience);
      await page.goto(`${lab.url}/${panel("added")}`);
      await page.getByRole("button", { name: "Delete host" }).click(patience);
      await page.getByRole("dialog").getByRole("button", { name: "Delete host" }).click();
      await page.getByText("added was deleted.").waitFor(patience);
    } finally {
      added.close();
    }
  });

  test("a machine that is polled and reports by itself is one host, which a person parts and joins", async () => {
    const system = create(SystemInfoSchema, { bootId: "twin", uptime: 100_000n });
    const info = (): Info => ({ ...machine(Date.now()), hostname: "twin", system });
    const twin = await playHost(info);
    try {
      const page = await lab.administer();
      const data = { name: "rack-7", address: twin.address };
      const added = await page.request.post(`${lab.url}/api/v1/admin/servers`, { headers: { Origin: lab.url }, data });
      expect(added.status()).toBe(200);
      const own = await pusher(lab.url, "twin");
      await page.getByRole("button", { name: "Approve twin" }).click(patience);
      await sample(lab.url, own, info());
      await page.getByText("twin is the same machine as rack-7 and is shown as rack-7 from now on.").waitFor(patience);
      await misses(page.getByRole("link", { name: "twin", exact: true }));
      await page.getByRole("link", { name: "rack-7", exact: true }).click();
      const joined = page.getByText("its machine also reports by itself as twin");
      await sees(joined);
      await page.getByRole("button", { name: "They are two machines" }).click();
      await page.getByText("They are two hosts now.").waitFor(patience);
      await page.getByText("A person said that another machine").waitFor();
      await sample(lab.url, own, info());
      await page.goto(`${lab.url}/#/admin`);
      await sees(page.getByRole("link", { name: "twin", exact: true }));
      await page.goto(`${lab.url}/${panel("rack-7")}`);
      await page.getByRole("button", { name: "It is the same machine" }).click(patience);
      await sample(lab.url, own, info());
      await sees(joined);
    } finally {
      twin.close();
    }
  });

  test("hosts that wait are approved together after their names were shown, and none that registers meanwhile", async () => {
    for (const name of ["row-1", "row-2"]) await pusher(lab.url, name);
    const page = await lab.administer();
    await page.getByRole("button", { name: "Approve all" }).click(patience);
    const dialog = page.getByRole("dialog");
    await dialog.getByText("row-2").waitFor();
    await pusher(lab.url, "row-3");
    await sees(page.getByRole("link", { name: "row-3", exact: true }));
    await dialog.getByRole("button", { name: "Approve all" }).click();
    await page.getByText(/^\d+ hosts are approved\.$/).waitFor(patience);
    await page.getByRole("heading", { name: "1 host waits for approval" }).waitFor(patience);
    await page.getByRole("button", { name: "Approve row-3" }).click();
    await page.getByText("row-3 is approved.").waitFor(patience);
  });

  test("a host of settings.json is changed and deleted there, and where the hub cannot write it, the page says why", async () => {
    const { at, url } = lab;
    const written = (): string => readFileSync(at.settings, "utf8");
    const { servers } = JSON.parse(written()) as { servers: Readonly<Record<string, string>> };
    const others = JSON.stringify(servers).slice(1, -1);
    const settings = (spare: string): string =>
      `{\n  // by hand\n  "servers": { ${others}${spare} },\n  "poll": { "interval": 1 }\n}\n`;
    at.write(settings(', "spare": "127.0.0.1:1"'));
    const page = await lab.administer(panel("spare"));
    const form = identity(page);
    await form.getByText(`This host is in ${at.settings}`).waitFor(patience);
    await form.getByLabel("Address", { exact: true }).fill("127.0.0.1:2");
    await form.getByLabel("Group", { exact: true }).fill("lab-a");
    await save(form);
    await form.getByText("Saved.").waitFor(patience);
    expect(written()).toBe(settings(', "spare": { "address": "127.0.0.1:2", "group": "lab-a" }'));
    const same = join(at.folder, "same.json");
    linkSync(at.settings, same);
    await form.getByText("it has further hard links").waitFor(patience);
    expect(await form.getByLabel("Address", { exact: true }).count()).toBe(0);
    expect(await page.getByRole("button", { name: "Delete host" }).count()).toBe(0);
    rmSync(same);
    await page.getByRole("button", { name: "Delete host" }).click(patience);
    await page.getByRole("dialog").getByText(`It is removed from ${at.settings}, too.`).waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Delete host" }).click();
    await page.getByText("spare was deleted.").waitFor(patience);
    expect(written()).toBe(settings(""));
    await page.goto(`${url}/#/admin/audit`);
    await page.locator("tbody tr", { hasText: "spare" }).first().getByText(at.settings).waitFor(patience);
  });

  test("names that contain markup are text in every view", async () => {
    const page = await lab.administer(panel("evil"));
    await page.getByRole("checkbox", { name: /^0 <img/ }).waitFor(patience);
    expect(await page.locator("main").textContent()).toContain(nasty);
    await pusher(lab.url, "nasty-1");
    const form = identity(page);
    await form.getByLabel("Group", { exact: true }).fill(nasty.slice(0, 64));
    await save(form);
    await form.getByText("Saved.").waitFor(patience);
    for (const path of ["#/admin", "#/admin/audit"]) {
      await page.goto(`${lab.url}/${path}`);
      await page.locator("tbody tr", { hasText: "<img src=x" }).first().waitFor(patience);
    }
    expect(await page.evaluate(() => (window as unknown as { caught?: number }).caught)).toBeUndefined();
    expect(await page.locator("main img, main script").count()).toBe(0);
  });

  test("the whole way to an approved host is walked with the keyboard alone", async () => {
    await pusher(lab.url, "keys");
    const page = await lab.open();
    await page.getByRole("banner").getByRole("button", { name: "Sign in" }).focus();
    await page.keyboard.press("Enter");
    await page.getByLabel("Name", { exact: true }).waitFor(patience);
    await page.keyboard.type("ada");
    await page.keyboard.press("Tab");
    await page.keyboard.type("correct horse battery");
    await page.keyboard.press("Enter");
    await page
      .getByRole("banner")
      .getByRole("link", { name: /waits?$/ })
      .focus(patience);
    await page.keyboard.press("Enter");
    const approve = page.getByRole("button", { name: "Approve keys" });
    await approve.waitFor(patience);
    for (let i = 0; i < 40 && !(await approve.evaluate((button) => button === document.activeElement)); i++)
      await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByText("keys is approved.").waitFor(patience);
  });
});
