import { adminRoutes } from "../route/admin.ts";
import type { JsonAnswer } from "../route/route.ts";
import { type Command, type ListingColumn, localTime } from "./command.ts";

type Entry = JsonAnswer<typeof adminRoutes.audit>["entries"][number];

export const audit: Command = {
  name: "audit",
  summary: "list who changed what, when and from where; newest first",
  details:
    "Each filter is compared as a whole, except that an actor may be a name without its role, and an action the part before its dot. Attempts of people without the right are there as well, as refused.",
  positionals: [],
  needs: "hub",
  lists: true,
  options: [
    { name: "actor", value: "ACTOR", help: 'Only changes of this actor: "alice", "administrator alice", "owner".' },
    { name: "action", value: "ACTION", help: 'Only this action, or all of its kind: "account.create", "account".' },
    { name: "target", value: "NAME", help: "Only changes of this host, account or token." },
    { name: "limit", value: "COUNT", help: "Most entries, 1 to 1000; 100 by default." },
    { name: "before", value: "ID", help: "Only entries with a smaller number: the last one of the page before." },
  ],
  exits: {
    0: "the entries were printed, none of them included",
    1: "the hub could not be asked, or refused",
    2: "the command line cannot be understood",
  },
  async run({ given: { flags }, hub, show }) {
    const asked: Record<string, string> = {};
    for (const name of filters) {
      const value = flags[name];
      if (typeof value === "string") asked[name] = value;
    }
    const answer = await hub().call(adminRoutes.audit, asked);
    show({ columns, rows: answer.entries, json: answer });
    return 0;
  },
};

const filters = ["actor", "action", "target", "limit", "before"] as const;

const columns: readonly ListingColumn<Entry>[] = [
  { name: "id", value: ({ id }) => id },
  { name: "time", value: ({ time }) => time, text: ({ time }) => localTime(time) },
  { name: "actor", value: ({ actor }) => actor },
  { name: "origin", value: ({ origin }) => origin },
  { name: "action", value: ({ action }) => action },
  { name: "target", value: ({ target }) => target },
  {
    name: "details",
    value: ({ details }) => Object.entries(details).map(([name, value]) => `${name}=${value ?? "–"}`),
  },
  { name: "result", value: ({ result }) => result, tone: ({ result }) => (result === "done" ? undefined : "bad") },
];
