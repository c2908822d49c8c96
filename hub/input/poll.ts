import type { Input, Intake, Plan, Way } from "./input.ts";
import { dial } from "./poll/channel.ts";
import { Gate } from "./poll/gate.ts";
import { Target } from "./poll/target.ts";

/** Asks every host of the settings in turn, each on a channel of its own. */
export const poll: Input = { name: "poll", open: start };

function start(intake: Intake, first: Plan): Way {
  const gate = new Gate(first.concurrency);
  const targets = new Map<string, Target>();
  let plan = first;

  const adopt = (): void => {
    gate.size = plan.concurrency;
    for (const [name, target] of targets) {
      if (plan.servers[name] === target.address) continue;
      target.close();
      targets.delete(name);
      if (plan.servers[name] === undefined) intake.ingest.forget(name);
    }
    for (const [name, address] of Object.entries(plan.servers)) {
      if (targets.has(name)) continue;
      intake.ingest.expect(name, address);
      targets.set(name, new Target({ name, address, intake, gate, dial, plan: () => plan }));
    }
  };
  adopt();

  return {
    change(next) {
      const pace = next.interval !== plan.interval;
      plan = next;
      adopt();
      if (pace) for (const target of targets.values()) target.again();
    },
    close() {
      for (const target of targets.values()) target.close();
      targets.clear();
    },
  };
}
