import type { Input, InputContext, RunningInput } from "./input.ts";
import { type Channel, dial } from "./poll/channel.ts";
import { Limiter } from "./poll/limiter.ts";
import { type PollSettings, table } from "./poll/settings.ts";
import { owners, PollTarget } from "./poll/target.ts";

/** Polls every host of the settings and of the book, each over its own connection. */
export const poll: Input<typeof table> = { name: "poll", table, open: start };

/** Settings that connections are made with: if one changes, all connections are replaced. */
const secrets = ["token", "ca", "cert", "key"] as const;

function start(context: InputContext, first: PollSettings): RunningInput<typeof table> {
  const { ingest, roster } = context;
  const limiter = new Limiter(first.concurrency);
  context.instruments.read("gohm_polls_running", () => [[{}, limiter.running]]);
  context.instruments.read("gohm_polls_queued", () => [[{}, limiter.queued]]);
  const targets = new Map<string, PollTarget>();
  let settings = first;

  /** Adds and removes hosts as listed. @param renew true to replace every connection */
  const adopt = (renew: boolean): void => {
    const wanted = roster.polled();
    for (const [name, target] of targets) {
      const host = wanted.get(name);
      const { address, owner } = target;
      const same = host !== undefined && owners[host.origin] === owner;
      if (same && host.address === address && !renew) {
        if (target.intervalSec !== host.intervalSec) target.pace(host.intervalSec);
        continue;
      }
      target.close();
      targets.delete(name);
      if (!same) ingest.release(name, owner);
    }
    for (const [name, { address, origin, intervalSec }] of wanted) {
      if (targets.has(name)) continue;
      const owner = owners[origin];
      ingest.claim(name, owner, address);
      const open = (at: string): Channel => dial(at, settings);
      const host = { name, address, owner, intervalSec };
      targets.set(name, new PollTarget({ ...host, context, limiter, dial: open, settings: () => settings }));
    }
  };
  const unsubscribe = roster.onChange(() => adopt(false));
  adopt(false);

  return {
    interval: () => settings.interval,
    change(next) {
      const pace = next.interval !== settings.interval;
      const trust = secrets.some((one) => next[one] !== settings[one]);
      settings = next;
      limiter.size = settings.concurrency;
      if (trust) adopt(true);
      if (pace) for (const target of targets.values()) if (target.intervalSec === undefined) target.reschedule();
    },
    close() {
      unsubscribe();
      for (const target of targets.values()) target.close();
      targets.clear();
    },
  };
}
