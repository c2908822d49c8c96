// The page behind Debian's nginx with TLS, below a path, compressed and buffered as nginx does by itself, in a real browser.
import { readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { machine } from "../host.ts";
import { freePort } from "../prometheus.ts";
import { adapted, missingProxy, type RunningProxy, recipes, startProxy, writeCertificate } from "../proxy.ts";
import { administrator, patience, signIn } from "./administration.ts";
import { missingBrowser, openPage } from "./browser.ts";
import { Lab } from "./lab.ts";

const recipe = recipes("nginx")[1] ?? "";
const reason = missingBrowser() ?? missingProxy("nginx");

describe.skipIf(reason !== undefined)(`behind nginx${reason ? `: ${reason}` : ""}`, () => {
  let load = 40;
  const lab = new Lab({ machines: { node: () => machine(Date.now(), load) } });
  let proxy: RunningProxy | undefined;

  afterAll(() => proxy?.stop());

  /** Starts nginx, and tells the hub its address. @returns the address of the page, without the slash at its end */
  async function serve(configure: (folder: string, port: number) => string): Promise<string> {
    await proxy?.stop();
    const port = await freePort();
    proxy = await startProxy("nginx", port, (folder) => {
      writeCertificate(folder);
      return configure(folder, port);
    });
    const url = `https://127.0.0.1:${port}/gohm`;
    const settings = JSON.parse(readFileSync(lab.at.settings, "utf8"));
    lab.at.write({ ...settings, hub: { url } });
    const known = async (): Promise<unknown> => {
      const headers = { Accept: "application/json" };
      return ((await (await fetch(lab.url, { headers })).json()) as { docs_url?: string }).docs_url;
    };
    await expect.poll(known, { ...patience, interval: 50 }).toBe("/gohm/docs");
    return url;
  }

  test("the page is live, people sign in and administer, charts and documents load, and nothing leads out of the path", async () => {
    const url = await serve((folder, port) =>
      adapted(recipe, {
        "443 ssl": `127.0.0.1:${port} ssl`,
        "/etc/ssl/lab.example.pem": `${folder}/cert.pem`,
        "/etc/ssl/lab.example.key": `${folder}/key.pem`,
        "http://127.0.0.1:5000": lab.url,
      }),
    );
    const { page, requests, errors, close } = await openPage(lab.browser, url, { ignoreHTTPSErrors: true });
    expect(page.url()).toBe(`${url}/`);
    const util = page.locator("tbody .card .util").first();
    for (const next of [71, 12]) {
      load = next;
      await expect.poll(() => util.textContent(), patience).toBe(`${next}%`);
    }
    // Trusted Types: no text becomes HTML or a script, and nothing may say that it is one that can be trusted.
    const made = page.evaluate(() => {
      document.createElement("p").innerHTML = "<b>x</b>";
    });
    await expect(made).rejects.toThrow(/TrustedHTML/);
    await page.getByRole("banner").getByRole("button", { name: "Sign in" }).click(patience);
    await signIn(page);
    await page.getByRole("button", { name: `Account: ${administrator.name}` }).waitFor(patience);
    expect(await page.context().cookies()).toMatchObject([
      { name: "__Secure-gohm", path: "/gohm", secure: true, httpOnly: true, sameSite: "Lax" },
    ]);
    await page.goto(`${url}/host/node`);
    expect(page.url()).toBe(`${url}/#/host/node`);
    await page.locator(".one canvas").first().waitFor(patience);
    await page.goto(`${url}/#/admin/tokens`);
    await page.locator(".admin-head").waitFor(patience);
    await page.reload();
    await page.locator(".admin-head").waitFor(patience);
    for (const path of ["docs", "redoc"]) {
      await page.goto(`${url}/${path}`);
      await page.locator("html[data-shown]").waitFor({ ...patience, state: "attached" });
    }
    const outside = requests.filter((one) => !one.replace(/^blob:https/, "https").startsWith(url));
    expect(outside.filter((one) => !/^(data|blob):/.test(one))).toEqual([]);
    expect(errors.filter((one) => !one.includes("TrustedHTML"))).toEqual([]);
    await close();
  });

  test("a page that nobody told anything of proxies is live behind a location that only names the hub", async () => {
    const url = await serve(
      (folder, port) => `server {
        listen 127.0.0.1:${port} ssl; ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;
        location /gohm/ { proxy_pass ${lab.url}/; }
      }`,
    );
    const { page, errors, close } = await openPage(lab.browser, url, { ignoreHTTPSErrors: true });
    load = 55;
    await expect.poll(() => page.locator("tbody .card .util").first().textContent(), patience).toBe("55%");
    expect(errors).toEqual([]);
    await close();
  });
});
