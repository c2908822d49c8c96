import type { Input, InputContext, RunningInput } from "./input.ts";
import { type Channel, dial } from "./poll/channel.ts";
import { Gate } from "./poll/limiter.ts";
import { type PollSettings, table } from "./poll/settings.ts";
import { Target } from "./poll/target.ts";

/** Asks every host of the settings in turn, each on a channel of its own. */
export const poll: Input<typeof table> = { name: "poll", table, open: start };

/** What a connection is made with: if one of them changes, all connections are made anew. */
const secrets = ["token", "ca", "cert", "key"] as const;

function start(context: InputContext, first: PollSettings): RunningInput<typeof table> {
  const { ingest, servers } = context;
  const gate = new Gate(first.concurrency);
  const targets = new Map<string, Target>();
  let settings = first;

  /** @param renew true to make every connection anew */
  const adopt = (renew: boolean): void => {
    const wanted = servers.addresses();
    for (const [name, target] of targets) {
      const address = wanted.get(name);
      if (address === target.address && !renew) continue;
      target.close();
      targets.delete(name);
      if (address === undefined) ingest.forget(name);
    }
    for (const [name, address] of wanted) {
      if (targets.has(name)) continue;
      ingest.expect(name, address);
      const open = (at: string): Channel => dial(at, settings);
      targets.set(name, new Target({ name, address, context, gate, dial: open, settings: () => settings }));
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
      gate.size = settings.concurrency;
      if (trust) adopt(true);
      if (pace) for (const target of targets.values()) target.again();
    },
    close() {
      unsubscribe();
      for (const target of targets.values()) target.close();
      targets.clear();
    },
  };
}
