// A hub of its own in front of a browser: machines that it polls, an administrator, and the pages that tests open.
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { addAdministrator } from "../door.ts";
import { type Info, machine, type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";
import { administrator, patience } from "./administration.ts";
import { openBrowser, openPage, type Watched } from "./browser.ts";

export interface LabOptions {
  /** Polled machines by name; one called "node" by default. */
  readonly machines?: Readonly<Record<string, () => Info>>;
  /** Settings of the hub; `servers` beside its machines. */
  readonly settings?: { readonly servers?: object; readonly [name: string]: unknown };
  /** False for a hub without accounts. */
  readonly accounts?: boolean;
  /** Further options of the browser's command line. */
  readonly browser?: readonly string[];
}

/**
 * Runs a hub for the tests of the suite in which it is made, from before the first until after the last one. After each test
 * the pages that it opened are closed, and no script of them may have failed.
 */
export class Lab {
  readonly #machines: PlayedHost[] = [];
  readonly #opened: Watched[] = [];
  #at: HubFolder | undefined;
  #hub: RunningHub | undefined;
  #browser: Browser | undefined;

  constructor(options: LabOptions = {}) {
    beforeAll(() => this.#start(options));
    afterEach(() => this.#closePages());
    afterAll(() => this.#stop());
  }

  get at(): HubFolder {
    return running(this.#at);
  }

  get url(): string {
    return running(this.#hub).url;
  }

  get browser(): Browser {
    return running(this.#browser);
  }

  /** Opens a page, in a context of its own. */
  async watch(path = "", options: BrowserContextOptions = {}): Promise<Watched> {
    const watched = await openPage(this.browser, `${this.url}/${path}`, options);
    this.#opened.push(watched);
    return watched;
  }

  async open(path = "", options: BrowserContextOptions = {}): Promise<Page> {
    return (await this.watch(path, options)).page;
  }

  /** Opens a page of administration, signed in, in any language. */
  async administer(path = "#/admin", options: BrowserContextOptions = {}): Promise<Page> {
    const page = await this.open(path, options);
    const fields = page.locator(".gate input");
    await fields.first().fill(administrator.name);
    await fields.last().fill(administrator.password);
    await fields.last().press("Enter");
    await page.locator(".admin-head").waitFor(patience);
    return page;
  }

  async #start({
    machines = { node: () => machine(Date.now()) },
    settings,
    accounts = true,
    browser,
  }: LabOptions): Promise<void> {
    this.#browser = await openBrowser(browser);
    this.#at = hubFolder();
    const servers: Record<string, unknown> = { ...settings?.servers };
    for (const [name, info] of Object.entries(machines)) {
      const played = await playHost(info);
      this.#machines.push(played);
      servers[name] = played.address;
    }
    this.#at.write({ poll: { interval: 1 }, ...settings, servers });
    if (accounts) await addAdministrator(this.#at, administrator.name, administrator.password);
    this.#hub = await startHub(this.#at);
  }

  async #closePages(): Promise<void> {
    for (const { close, errors } of this.#opened.splice(0)) {
      await close();
      expect(errors).toEqual([]);
    }
  }

  async #stop(): Promise<void> {
    await this.#browser?.close();
    await this.#hub?.stop();
    for (const played of this.#machines) played.close();
    this.#at?.remove();
  }
}

function running<T>(part: T | undefined): T {
  if (part === undefined) throw new Error("the hub of the test was not started");
  return part;
}
