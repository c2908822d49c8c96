import type { Input, Intake, Plan, Way } from "./input.ts";
import { type Channel, dial } from "./poll/channel.ts";
import { Gate } from "./poll/gate.ts";
import { Target } from "./poll/target.ts";

/** Asks every host of the settings in turn, each on a channel of its own. */
export const poll: Input = { name: "poll", open: start };

/** What a connection is made with: another one wants connections made anew. */
const secrets = ["token", "ca", "cert", "key"] as const;

function start(intake: Intake, first: Plan): Way {
  const gate = new Gate(first.concurrency);
  const targets = new Map<string, Target>();
  let plan = first;

  /** @param renew Every connection is made anew. */
  const adopt = (renew: boolean): void => {
    gate.size = plan.concurrency;
    for (const [name, target] of targets) {
      const address = plan.servers.get(name);
      if (address === target.address && !renew) continue;
      target.close();
      targets.delete(name);
      if (address === undefined) intake.ingest.forget(name);
    }
    for (const [name, address] of plan.servers) {
      if (targets.has(name)) continue;
      intake.ingest.expect(name, address);
      const open = (at: string): Channel => dial(at, plan);
      targets.set(name, new Target({ name, address, intake, gate, dial: open, plan: () => plan }));
    }
  };
  adopt(false);

  return {
    change(next) {
      const pace = next.interval !== plan.interval;
      const trust = secrets.some((one) => next[one] !== plan[one]);
      plan = next;
      adopt(trust);
      if (pace) for (const target of targets.values()) target.again();
    },
    close() {
      for (const target of targets.values()) target.close();
      targets.clear();
    },
  };
}
