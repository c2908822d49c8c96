import { adminRoutes } from "../../route/admin.ts";
import type { JsonAnswer } from "../../route/route.ts";
import { type Command, Failure, type HubClient, type ListingColumn, localTime } from "../command.ts";

type Refusal = JsonAnswer<typeof adminRoutes.refusals>["refusals"][number];
type Reason = Refusal["counts"][number]["reason"];

/** What each reason means, and what to do. */
const reasons: Readonly<Record<Reason, { readonly text: string; readonly advice: string }>> = {
  token: {
    text: "token not valid",
    advice: "it was deleted or reset, or reports to the wrong hub: delete the file with its token there, or stop it",
  },
  sender: {
    text: "may not send records",
    advice: "add its network to push.logger, give it a token of scope push, or another client_name",
  },
  secret: { text: "wrong or no secret", advice: "give it the registration secret or an enrolment token" },
  taken: {
    text: "host name is taken",
    advice: "gohm node reset NAME if it is the same machine, else another --hostname",
  },
  full: { text: "too many machines wait", advice: "approve or delete those that wait, or give it an enrolment token" },
  rate: { text: "too much at once", advice: "it tries again by itself" },
  format: { text: "not understood", advice: "check what runs there, its host name, and its --server or server_host" },
  name: { text: "hub called by another name", advice: "add the name to hub.hosts, or use an address" },
  slow: { text: "requests not completed", advice: "check the network between, or what runs there" },
  network: { text: "may not connect", advice: "add its network to hub.allow if it should" },
  crowd: { text: "too many connections", advice: "block it if you do not know it" },
};

export const refused: Command = {
  name: "node refused",
  summary: "list addresses whose registrations, reports or connections were refused within the last hour",
  details:
    "The most recent first, at most 128, since the start of the hub. What is wrong with the reports of a registered machine is in gohm node list. With --json also the code of each refusal (docs/faults.md).",
  positionals: [],
  needs: "hub",
  lists: true,
  options: [],
  exits: {
    0: "the addresses were printed, none of them included",
    1: "the hub could not be asked, or refused",
    2: "the command line cannot be understood",
  },
  async run({ hub, show }) {
    const answer = await hub().call(adminRoutes.refusals, {});
    show({ columns, rows: answer.refusals, json: answer });
    return 0;
  },
};

/** A sentence on refused addresses; undefined if there are none, or the hub is older than the question. */
export async function refusedAt(client: HubClient): Promise<string | undefined> {
  try {
    const { length } = (await client.call(adminRoutes.refusals, {})).refusals;
    if (length === 0) return undefined;
    return `${length} ${length === 1 ? "address was" : "addresses were"} refused within the last hour: gohm node refused`;
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

/** How often a host was refused for each reason, the commonest first. */
function countsOf({ counts }: Refusal): readonly (readonly [Reason, number])[] {
  const sums = new Map<Reason, number>();
  for (const { reason, count } of counts) sums.set(reason, (sums.get(reason) ?? 0) + count);
  return [...sums].sort(([, a], [, b]) => b - a);
}

const columns: readonly ListingColumn<Refusal>[] = [
  { name: "address", value: ({ address }) => address },
  { name: "host", title: "claims to be", value: ({ host }) => host ?? undefined },
  {
    name: "refused",
    value: (row) => countsOf(row).map(([reason, count]) => `${reason}=${count}`),
    text: (row) => countsOf(row).map(([reason, count]) => `${reasons[reason].text} (${count})`),
    tone: () => "bad",
  },
  { name: "called", title: "called the hub", value: ({ called }) => called ?? undefined },
  { name: "first", value: ({ first }) => first, text: ({ first }) => localTime(first) },
  { name: "last", value: ({ last }) => last, text: ({ last }) => localTime(last) },
  {
    name: "advice",
    value: (row) => countsOf(row).map(([reason]) => reasons[reason].advice),
    text: (row) =>
      countsOf(row)
        .slice(0, 1)
        .map(([reason]) => reasons[reason].advice),
  },
];
