import { UsageError } from "../../program/line.ts";
import { clean } from "../../proto/clean.ts";
import { scopes } from "../book/book.ts";
import { adminRoutes } from "../route/admin.ts";
import type { JsonAnswer } from "../route/route.ts";
import { type Command, checkChoice, type ListingColumn, localTime } from "./command.ts";

type Token = JsonAnswer<typeof adminRoutes.addToken>["token"];

const exits = {
  0: "it was done",
  1: "the hub could not be asked, or refused",
  2: "the command line cannot be understood",
};

const name = { name: "NAME", noun: "token" };

const list: Command = {
  name: "token list",
  summary: "list all tokens of the API, without their secrets",
  positionals: [],
  needs: "hub",
  lists: true,
  options: [],
  exits,
  async run({ hub, show }) {
    const answer = await hub().call(adminRoutes.tokens, {});
    show({ columns, rows: answer.tokens, json: answer });
    return 0;
  },
};

const create: Command = {
  name: "token create",
  summary: "create a token of the API and print it",
  details:
    'Prints the token alone on standard output, so that a script can take it: TOKEN=$(gohm token create grafana). It is not shown again. The scope "read" may see what a viewer sees, "push" sends reports of any host, "enroll" registers machines that report by themselves, "admin" may do what an administrator may.',
  positionals: [name],
  needs: "hub",
  options: [
    {
      name: "scope",
      value: "SCOPE",
      help: `What it is for: ${scopes.join(", ")}; read by default.`,
      completion: scopes,
    },
    { name: "days", value: "DAYS", help: "Days until it expires, 1 to 3650; never by default." },
    { name: "json", help: "Prints JSON." },
  ],
  exits,
  async run({ words: [word = ""], given: { flags }, hub, show, print, note }) {
    const { scope = "read", days } = flags;
    checkChoice("--scope", scope, scopes);
    const body = { name: word, scope, ...(days === undefined ? {} : { days: daysOf(days) }) };
    const answer = await hub().call(adminRoutes.addToken, {}, body);
    if (flags.json) show({ columns, rows: [answer.token], json: answer });
    else {
      print(clean(answer.secret));
      const { expires } = answer.token;
      const until = expires === null ? "does not expire" : `expires at ${localTime(expires)}`;
      note(
        `This is the token "${clean(answer.token.name)}" with the scope "${answer.token.scope}"; it ${until}. It is not shown again.`,
      );
    }
    return 0;
  },
};

/** @throws UsageError */
function daysOf(text: string | boolean): number {
  if (typeof text === "string" && /^[0-9]{1,4}$/.test(text)) return Number(text);
  throw new UsageError(`--days wants a whole number from 1 to 3650: it was given "${text}"`);
}

const revoke: Command = {
  name: "token revoke",
  summary: "revoke a token of the API at once",
  positionals: [name],
  needs: "hub",
  lists: true,
  options: [],
  exits,
  async run({ words: [word = ""], hub, show }) {
    const answer = await hub().call(adminRoutes.revokeToken, { name: word });
    const columns: readonly ListingColumn<string>[] = [{ name: "revoked", value: (token) => token }];
    show({ columns, rows: [word], json: answer });
    return 0;
  },
};

export const tokenCommands: readonly Command[] = [list, create, revoke];

const columns: readonly ListingColumn<Token>[] = [
  { name: "name", value: (token) => token.name },
  { name: "scope", value: ({ scope }) => scope },
  { name: "created", value: ({ created }) => created, text: ({ created }) => localTime(created) },
  { name: "creator", value: ({ creator }) => creator },
  {
    name: "expires",
    value: ({ expires }) => expires ?? undefined,
    text: ({ expires }) => (expires === null ? "never" : localTime(expires)),
  },
  {
    name: "used",
    value: ({ used }) => used ?? undefined,
    text: ({ used }) => (used === null ? undefined : localTime(used)),
  },
];
