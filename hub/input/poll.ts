import type { Input, InputContext, RunningInput } from "./input.ts";
import { type Channel, dial } from "./poll/channel.ts";
import { Limiter } from "./poll/limiter.ts";
import { type PollSettings, table } from "./poll/settings.ts";
import { owner, PollTarget } from "./poll/target.ts";

/** Polls every listed host, each over its own connection. */
export const poll: Input<typeof table> = { name: "poll", table, open: start };

/** Settings that connections are made with: if one changes, all connections are replaced. */
const secrets = ["token", "ca", "cert", "key"] as const;

function start(context: InputContext, first: PollSettings): RunningInput<typeof table> {
  const { ingest, servers } = context;
  const limiter = new Limiter(first.concurrency);
  const targets = new Map<string, PollTarget>();
  let settings = first;

  /** Adds and removes hosts as listed. @param renew true to replace every connection */
  const adopt = (renew: boolean): void => {
    const wanted = servers.addresses();
    for (const [name, target] of targets) {
      const address = wanted.get(name);
      if (address === target.address && !renew) continue;
      target.close();
      targets.delete(name);
      if (address === undefined) ingest.release(name, owner);
    }
    for (const [name, address] of wanted) {
      if (targets.has(name)) continue;
      ingest.claim(name, owner, address);
      const open = (at: string): Channel => dial(at, settings);
      targets.set(name, new PollTarget({ name, address, context, limiter, dial: open, settings: () => settings }));
    }
  };
  const unsubscribe = servers.onChange(() => adopt(false));
  adopt(false);

  return {
    interval: () => settings.interval,
    change(next) {
      const pace = next.interval !== settings.interval;
      const trust = secrets.some((one) => next[one] !== settings[one]);
      settings = next;
      limiter.size = settings.concurrency;
      if (trust) adopt(true);
      if (pace) for (const target of targets.values()) target.reschedule();
    },
    close() {
      unsubscribe();
      for (const target of targets.values()) target.close();
      targets.clear();
    },
  };
}
