// Pages of other web sites in a real browser: they may use the routes of the GPU Metrics Logger, and no others.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { missingBrowser } from "./browser.ts";
import { Lab } from "./lab.ts";

interface Request {
  readonly method?: "POST";
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly credentials?: "include";
}

describe.skipIf(missingBrowser() !== undefined)("a page of another web site", () => {
  const lab = new Lab({ accounts: false, machines: {} });
  let other: Server;

  beforeAll(async () => {
    other = createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end("<title>other</title>"));
    await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
  });

  afterAll(() => {
    other?.closeAllConnections();
    other?.close();
  });

  test("asks the logger's queries, with any header, and nothing else", async () => {
    const context = await lab.browser.newContext();
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${(other.address() as AddressInfo).port}/`);
    const ask = (path: string, init: Request = {}): Promise<unknown> =>
      page.evaluate(
        async ([url, init]) => {
          try {
            const answer = await fetch(url, init);
            return [answer.status, await answer.json()];
          } catch (error) {
            return (error as Error).message;
          }
        },
        [lab.url + path, init] as const,
      );
    const query = (body: string): Request => ({
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Requested-With": "dashboard" },
      body,
    });
    expect(await ask("/health")).toMatchObject([200, { status: "healthy" }]);
    expect(await ask("/api/gpu/list", query("{}"))).toEqual([200, { success: true, data: [] }]);
    expect(await ask("/api/gpu/list", query("["))).toMatchObject([422, { error_code: "VALIDATION_ERROR" }]);
    // A browser sends cookies only to a site that asks for them by name.
    expect(await ask("/api/gpu/list", { ...query("{}"), credentials: "include" })).toBe("Failed to fetch");
    expect(await ask("/api/health")).toBe("Failed to fetch");
    expect(await ask("/api/v1/session", query("{}"))).toBe("Failed to fetch");
    await context.close();
  });
});
