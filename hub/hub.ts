import { randomBytes } from "node:crypto";
import type { Clock } from "./clock.ts";
import { checkAlone, openControl } from "./control.ts";
import { openStore } from "./history/sqlite/store.ts";
import { application, listen } from "./http/server.ts";
import { Ingest } from "./ingest.ts";
import { inputs } from "./input/all.ts";
import type { Plan } from "./input/input.ts";
import { Live } from "./live.ts";
import type { Log } from "./log.ts";
import { addresses, groupOf } from "./servers.ts";
import { maxSize, namesOf, retention, type Settings } from "./settings.ts";
import { views } from "./view/all.ts";
import type { HubView, RunningView } from "./view/view.ts";

/** What a hub is made of and given. */
export interface Parts {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly version: string;
  /** Folder with the built page. */
  readonly web: string;
}

/** A running hub. */
export interface Hub {
  readonly live: Live;
  /** Where its HTTP server listens. */
  readonly host: string;
  readonly port: number;
  /** Where else it listens, in words. */
  readonly places: readonly string[];
  /** Other settings are in force from now on; rows that are fixed at the start stay as they were. */
  change(settings: Settings): void;
  /** Stops polling, writes what is still in memory, ends every connection. */
  close(): Promise<void>;
}

const planOf = (settings: Settings): Plan => ({ ...settings, servers: addresses(settings.servers) });

/**
 * Starts a hub: history, then views, then inputs, so that nothing is received that cannot be kept and seen.
 * @throws Fault for whatever keeps it from starting; nothing is left open then.
 */
export async function start(parts: Parts): Promise<Hub> {
  const { clock, log } = parts;
  let settings = parts.settings;
  const undo: (() => void | Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    await checkAlone(settings.data);
    const live = new Live(clock.now);
    const history = openStore({
      folder: settings.data,
      clock,
      log,
      retention: () => retention(settings),
      maxSize: () => maxSize(settings),
      maxDevices: () => settings.maxDevices,
      notice: (topic, text) => live.notice(topic, text),
      trouble: (text) => live.notice("history", text),
    });
    undo.push(() => history.close());
    const control = await openControl({ folder: settings.data, history, clock, log });
    undo.push(() => control.close());
    const sight: HubView = {
      live,
      history,
      clock,
      log,
      version: parts.version,
      hub: randomBytes(8).toString("hex"),
      name: () => settings.name,
      interval: () => settings.interval,
      group: (host) => groupOf(settings.servers, host),
      web: parts.web,
      historyAddress: settings.historyAddress,
      historyReflection: settings.historyReflection,
    };
    const open: RunningView[] = [];
    for (const view of views) {
      const opened = await view.open(sight);
      open.push(opened);
      undo.push(() => opened.close());
    }
    const names = (): readonly string[] => namesOf(settings);
    const web = await listen(application(open, log), { address: settings.hubAddress, names, log });
    undo.push(() => web.close());
    const newest = history.known().reduce((most, { last }) => Math.max(most, last), 0) || undefined;
    const ingest = new Ingest({ live, history, now: clock.now, newest, log });
    const ways = inputs.map((input) => input.open({ ingest, clock, random: parts.random, log }, planOf(settings)));
    undo.push(() => {
      for (const way of ways) way.close();
    });
    return {
      live,
      host: web.host,
      port: web.port,
      places: open.flatMap(({ place }) => place ?? []),
      change(next) {
        settings = next;
        for (const way of ways) way.change(planOf(next));
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
