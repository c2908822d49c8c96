// Addresses of the page that people write down or scripts link to: /host/NAME, also below a path of a proxy.
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { machine, type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { missingBrowser, openBrowser, openPage } from "./browser.ts";

const missing = missingBrowser();
const below = "/gohm";
/** Names that the settings refuse: an input of another kind may have them, and people type anything. */
const unknown = ["rack 1/node", "计算节点", "50%", "a#b?c"];

/** A proxy that serves the hub below a path, and nothing else. */
async function proxy(hub: string): Promise<Server> {
  const server = createServer((asked, answer) => {
    const { url = "", method, headers } = asked;
    if (!url.startsWith(`${below}/`)) return void answer.writeHead(404).end();
    const passed = request(`${hub}${url.slice(below.length)}`, { method, headers }, (got) => {
      answer.writeHead(got.statusCode ?? 502, got.headers);
      got.pipe(answer);
    });
    passed.on("error", () => answer.destroy());
    answer.on("close", () => passed.destroy());
    asked.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

describe.skipIf(missing)(missing ?? "addresses of the page", () => {
  let browser: Browser;
  let at: HubFolder;
  let hub: RunningHub;
  let node: PlayedHost;
  let front: Server;

  beforeAll(async () => {
    browser = await openBrowser();
    node = await playHost(() => machine(Date.now()));
    at = hubFolder();
    at.write({ servers: { "node-1.lab_a": node.address }, poll: { interval: 1 } });
    hub = await startHub(at);
    front = await proxy(hub.url);
  });
  afterAll(async () => {
    await browser?.close();
    front?.closeAllConnections();
    front?.close();
    await hub?.stop();
    node?.close();
    at?.remove();
  });

  const bases = [
    { where: "at the root", base: () => hub.url },
    {
      where: "below a path of a proxy",
      base: () => `http://127.0.0.1:${(front.address() as AddressInfo).port}${below}`,
    },
  ];
  test.each(bases)("/host/NAME $where shows the charts of that host", async ({ base }) => {
    const { page, errors, close } = await openPage(browser, `${base()}/host/node-1.lab_a`);
    try {
      await page.locator(".plot[data-points]:not([data-points='0'])").first().waitFor();
      expect(page.url()).toBe(`${base()}/#/host/node-1.lab_a`);
      expect(errors).toEqual([]);
    } finally {
      await close();
    }
  });

  test.each(bases)(
    "/host/NAME $where with any other name opens the page, which has the whole name",
    async ({ base }) => {
      const { page, errors, close } = await openPage(browser, `${base()}/`);
      try {
        for (const name of unknown) {
          await page.goto(`${base()}/host/${encodeURIComponent(name)}`);
          await page.getByText(`The hub knows no host named "${name}".`).waitFor();
          expect(page.url()).toBe(`${base()}/#/host/${encodeURIComponent(name)}`);
        }
        expect(errors).toEqual([]);
      } finally {
        await close();
      }
    },
  );
});
