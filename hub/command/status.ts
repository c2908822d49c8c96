import { restRoutes } from "../route/rest.ts";
import type { JsonAnswer } from "../route/route.ts";
import type { Command, Listing, ListingColumn } from "./command.ts";

type Health = JsonAnswer<typeof restRoutes.health>;

/** The hub answers, and something is wrong with it or with a machine. */
const degraded = 3;

export const status: Command = {
  name: "status",
  summary: "ask a running hub whether all is well",
  details:
    "Prints the hub's name and version, how many of its machines answer, and its notices: what the page shows above the machines when something is wrong.",
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
  async run({ hub, show }) {
    const answer = await hub().call(restRoutes.health, {});
    show(listingOf(answer));
    return isWell(answer) ? 0 : degraded;
  },
};

const isWell = ({ hosts, open, notices }: Health): boolean => open >= hosts && notices.length === 0;

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
    text: ({ hosts, open }) => (open < hosts ? `${open} (${hosts - open} do not answer)` : `${open}`),
    tone: ({ hosts, open }) => (open < hosts ? "bad" : undefined),
  },
  { name: "notices", value: ({ notices }) => notices, tone: () => "bad" },
];

const listingOf = (answer: Health): Listing<Health> => ({ columns, rows: [answer], json: answer, upright: true });
