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
    'Prints the name and version of the hub, how many of its machines answer and which do not, how many are known from history only, and its notices: what the page shows above the machines when something is wrong. Administrators (on the control socket, or with a token of scope "admin") also see how many machines wait for approval. The status is "ok" only if every machine that reports live answers and there is no notice. With --json it is that of the hub itself, which is "ok" if the hub works; "open", also in CSV and parsable output, counts the machines that answer.',
  positionals: [],
  needs: "hub",
  lists: true,
  options: [],
  exits: {
    0: "the hub is well, and every machine that reports live answers",
    1: "the hub could not be asked",
    2: "the command line cannot be understood",
    3: "the hub answers, and there is a notice or a machine that does not answer",
  },
  async run({ given: { flags }, hub, show }) {
    const client = hub();
    const answer = await client.call(restRoutes.health, {});
    const isForPeople = !isForPrograms(flags);
    const waiting = isForPeople ? await waitingAt(client) : 0;
    const more = [
      ...(isForPeople && (answer.history ?? 0) > 0 ? [historyColumn] : []),
      ...(waiting > 0 ? [waitingColumn(waiting)] : []),
    ];
    show({
      columns: [...columns, ...more],
      rows: [answer],
      json: answer,
      upright: true,
    });
    return isWell(answer) ? 0 : degraded;
  },
};

/** How many hosts should answer and do not. Older hubs have no hosts of which only history knows. */
const silentOf = ({ hosts, open, history = 0 }: Health): number => Math.max(0, hosts - open - history);

const isWell = (hub: Health): boolean => silentOf(hub) === 0 && hub.notices.length === 0;

/** How many hosts do not answer, and their names as far as the hub tells them. */
function silenceOf(hub: Health): string {
  const { silent = [] } = hub;
  const count = silentOf(hub);
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
    text: (hub) => (silentOf(hub) > 0 ? `${hub.open} (${silenceOf(hub)})` : `${hub.open}`),
    tone: (hub) => (silentOf(hub) > 0 ? "bad" : undefined),
  },
  { name: "notices", value: ({ notices }) => notices, tone: () => "bad" },
];

const historyColumn: ListingColumn<Health> = {
  name: "history",
  title: "history only",
  value: ({ history }) => history,
};

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
