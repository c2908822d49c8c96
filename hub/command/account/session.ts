import { adminRoutes } from "../../route/admin.ts";
import type { JsonAnswer } from "../../route/route.ts";
import { type Command, type ListingColumn, localTime } from "../command.ts";

type Session = JsonAnswer<typeof adminRoutes.accountSessions>["sessions"][number];

const common = {
  needs: "hub",
  lists: true,
  options: [],
  exits: {
    0: "it was done",
    1: "the hub could not be asked, or refused",
    2: "the command line cannot be understood",
  },
} as const;

const name = { name: "NAME", noun: "account" };

export const sessions: Command = {
  ...common,
  name: "account sessions",
  summary: "list the browsers in which an account is signed in",
  details: "The last used first.",
  positionals: [name],
  async run({ words: [word = ""], hub, show }) {
    const answer = await hub().call(adminRoutes.accountSessions, { name: word });
    show({ columns, rows: answer.sessions, json: answer });
    return 0;
  },
};

export const signOut: Command = {
  ...common,
  name: "account sign-out",
  summary: "end one session of an account, or all",
  details:
    "SESSION is a number that gohm account sessions prints; without it all end. Write -- before NAME if it begins with a hyphen. The password stays: whoever knows it signs in again.",
  positionals: [name, { name: "SESSION", noun: "session", optional: true }],
  async run({ words: [word = "", id], hub, show }) {
    const answer =
      id === undefined
        ? await hub().call(adminRoutes.endAccountSessions, { name: word })
        : { ...(await hub().call(adminRoutes.endAccountSession, { name: word, id })), ended: 1 };
    const ended: readonly ListingColumn<typeof answer>[] = [{ name: "ended", value: (one) => one.ended }];
    show({ columns: ended, rows: [answer], json: answer });
    return 0;
  },
};

const columns: readonly ListingColumn<Session>[] = [
  { name: "session", value: ({ id }) => id },
  { name: "used", title: "last use", value: ({ used }) => used, text: ({ used }) => localTime(used) },
  { name: "created", title: "signed in", value: ({ created }) => created, text: ({ created }) => localTime(created) },
  { name: "origin", title: "from", value: ({ origin }) => origin },
  { name: "way", title: "by", value: ({ way }) => way },
  { name: "agent", title: "browser", value: ({ agent }) => (agent === "" ? undefined : agent) },
];
