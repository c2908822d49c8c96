import { restRoutes } from "../route/rest.ts";
import type { JsonAnswer } from "../route/route.ts";
import { sessionRoutes } from "../route/session.ts";
import { type Command, Failure, type HubClient, isForPrograms, type ListingColumn } from "./command.ts";

type Health = JsonAnswer<typeof restRoutes.health>;

/** The hub answers, and something is wrong with it or with a machine. */
const degraded = 3;

export const status: Command = {
  name: "status",
  summary: "ask a running hub whether all is well",
  details:
    'Prints the name and version of the hub, how many of its machines answer and which do not, and its notices: what the page shows above the machines when something is wrong. Administrators (on the control socket, or with a token of scope "admin") also see how many machines wait for approval. The status is "ok" only if every machine answers and there is no notice. With --json it is that of the hub itself, which is "ok" if the hub works; "open", also in CSV and parsable output, counts the machines that answer.',
  positionals: [],
  needs: "hub",
  lists: true,
  options: [],
  exits: {
    0: "the hub is well, and every machine answers",
    1: "the hub could not be asked",
    2: "the command line cannot be understood",
    3: "the hub answers, and there is a notice or a machine that does not answer",
  },
  async run({ given: { flags }, hub, show }) {
    const client = hub();
    const answer = await client.call(restRoutes.health, {});
    const waiting = isForPrograms(flags) ? 0 : await waitingAt(client);
    show({
      columns: waiting > 0 ? [...columns, waitingColumn(waiting)] : columns,
      rows: [answer],
      json: answer,
      upright: true,
    });
    return isWell(answer) ? 0 : degraded;
  },
};

const isWell = ({ hosts, open, notices }: Health): boolean => open >= hosts && notices.length === 0;

/** How many hosts do not answer, and their names as far as the hub tells them. */
function silenceOf({ hosts, open, silent = [] }: Health): string {
  const count = hosts - open;
  const more = count - silent.length;
  const names = `${silent.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  return `${count} ${count === 1 ? "does" : "do"} not answer${silent.length > 0 ? `: ${names}` : ""}`;
}

const columns: readonly ListingColumn<Health>[] = [
  {
    name: "status",
    value: (hub) => (isWell(hub) ? "ok" : "degraded"),
    tone: (hub) => (isWell(hub) ? "good" : "bad"),
  },
  { name: "name", value: ({ name }) => name || undefined },
  { name: "version", value: ({ version }) => version },
  { name: "hosts", value: ({ hosts }) => hosts, text: ({ hosts }) => `${hosts}` },
  {
    name: "open",
    value: ({ open }) => open,
    title: "answering",
    text: (hub) => (hub.open < hub.hosts ? `${hub.open} (${silenceOf(hub)})` : `${hub.open}`),
    tone: ({ hosts, open }) => (open < hosts ? "bad" : undefined),
  },
  { name: "notices", value: ({ notices }) => notices, tone: () => "bad" },
];

/** How many machines wait for approval; 0 if the client may not know it, or the hub is older than the question. */
async function waitingAt(client: HubClient): Promise<number> {
  try {
    return (await client.call(sessionRoutes.me, {})).waiting ?? 0;
  } catch (error) {
    if (error instanceof Failure) return 0;
    throw error;
  }
}

const waitingColumn = (count: number): ListingColumn<Health> => ({
  name: "waiting",
  value: () => count,
  text: () => `${count} for approval (gohm node list, gohm node approve NAME)`,
  tone: () => "bad",
});
