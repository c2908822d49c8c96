import { UsageError } from "../../program/line.ts";
import { clean } from "../../proto/clean.ts";
import { accountKey, roles } from "../book/book.ts";
import { adminRoutes } from "../route/admin.ts";
import type { JsonAnswer } from "../route/route.ts";
import { newPassword } from "./account/password.ts";
import { sessions, signOut } from "./account/session.ts";
import {
  type Command,
  type Context,
  checkChoice,
  Failure,
  type HubClient,
  isForPrograms,
  type ListingColumn,
  localTime,
} from "./command.ts";

type Account = JsonAnswer<typeof adminRoutes.changeAccount>;
type Link = JsonAnswer<typeof adminRoutes.addLink>;

const exits = {
  0: "it was done",
  1: "the hub could not be asked, or refused",
  2: "the command line cannot be understood",
};
/** Of commands that ask for a password. */
const passwordExits = { ...exits, 1: "the hub could not be asked, or refused, or there was no password" };

const name = { name: "NAME", noun: "account" };
const shown = "Prints the account as it is afterwards.";
/** Most bytes of an address that is printed. */
const longestAddress = 2048;
const asked =
  "The password is asked for twice, without echo, or read from standard input; it is never on the command line.";

const common = { needs: "hub", lists: true, options: [], exits } as const;

const stdin = { name: "password-stdin", help: "Reads the password from standard input: one line." } as const;
const asLink = { name: "link", help: "Prints a link that lets a person set the password instead." } as const;

const list: Command = {
  ...common,
  name: "account list",
  summary: "list all accounts",
  positionals: [],
  async run({ hub, show }) {
    const answer = await hub().call(adminRoutes.accounts, {});
    show({ columns, rows: answer.accounts, json: answer });
    return 0;
  },
};

const create: Command = {
  ...common,
  exits: passwordExits,
  name: "account create",
  summary: "create an account",
  details: `${asked} With --link it has none until a person follows the link, which is printed alone on standard output.`,
  positionals: [name],
  options: [
    { name: "role", value: "ROLE", help: `Its rights: ${roles.join(" or ")}; viewer by default.`, completion: roles },
    stdin,
    asLink,
  ],
  async run(context) {
    const { words, given, hub, show } = context;
    const [word = ""] = words;
    const { role = "viewer", link: byLink, "password-stdin": piped } = given.flags;
    checkChoice("--role", role, roles);
    if (byLink && piped) throw new UsageError("--link and --password-stdin exclude each other");
    const client = hub();
    if (await isAccount(client, word)) throw new Failure(`There is an account "${word}" already`);
    const password = byLink ? undefined : await passwordOf(context);
    const body = { name: word, role, ...(password === undefined ? {} : { password }) };
    const answer = await client.call(adminRoutes.addAccount, {}, body);
    const { account, link } = answer;
    const address = link === null ? undefined : addressOf(client, link);
    const withLink = [...columns, { name: "link", hidden: true, value: () => address } as const];
    if (link === null || isForPrograms(given.flags)) show({ columns: withLink, rows: [account], json: answer });
    else showLink(context, client, { ...link, name: account.name });
    return 0;
  },
};

/** Asks before anybody types a password for nothing. @throws Failure */
async function isAccount(client: HubClient, word: string): Promise<boolean> {
  const { accounts } = await client.call(adminRoutes.accounts, {});
  return accounts.some(({ name }) => accountKey(name) === accountKey(word));
}

/** @throws UsageError, Failure */
async function passwordOf({ given: { flags }, terminal }: Context): Promise<string> {
  return newPassword(terminal, flags["password-stdin"] === true);
}

const password: Command = {
  ...common,
  exits: passwordExits,
  name: "account password",
  summary: "give an account a new password, which ends its sessions",
  details: `${asked} ${shown}`,
  positionals: [name],
  options: [stdin],
  async run(context) {
    const { words, hub, show } = context;
    const [word = ""] = words;
    const client = hub();
    if (!(await isAccount(client, word))) throw new Failure(`There is no account "${word}"`);
    const answer = await client.call(
      adminRoutes.changeAccount,
      { name: word },
      { password: await passwordOf(context) },
    );
    show({ columns, rows: [answer], json: answer });
    return 0;
  },
};

const role: Command = {
  ...common,
  name: "account role",
  summary: "change the rights of an account",
  details: `The last administrator stays one. ${shown}`,
  positionals: [name, { name: "ROLE", noun: `role (${roles.join(", ")})`, completion: roles }],
  async run({ words: [word = "", wanted = ""], hub, show }) {
    checkChoice("ROLE", wanted, roles);
    const answer = await hub().call(adminRoutes.changeAccount, { name: word }, { role: wanted });
    show({ columns, rows: [answer], json: answer });
    return 0;
  },
};

const remove: Command = {
  ...common,
  name: "account delete",
  summary: "delete an account and end its sessions",
  details: "The last administrator cannot be deleted.",
  positionals: [name],
  async run({ words: [word = ""], hub, show }) {
    const answer = await hub().call(adminRoutes.deleteAccount, { name: word });
    const deleted: readonly ListingColumn<string>[] = [{ name: "deleted", value: (account) => account }];
    show({ columns: deleted, rows: [word], json: answer });
    return 0;
  },
};

const link: Command = {
  needs: "hub",
  exits,
  name: "account link",
  summary: "print a link that signs in once and sets a password",
  details:
    "For the account of that name; without a name for the only administrator, or for a first one called admin. If there is no such account, following the link creates an administrator. Prints the link alone on standard output. Earlier links of the account end.",
  positionals: [{ ...name, optional: true }],
  options: [{ name: "json", help: "Prints JSON." }],
  async run(context) {
    const [word] = context.words;
    const client = context.hub();
    const answer = await client.call(adminRoutes.addLink, {}, word === undefined ? {} : { name: word });
    if (context.given.flags.json) context.show({ columns: [], rows: [], json: answer });
    else showLink(context, client, answer, !(await isAccount(client, answer.name)));
    return 0;
  },
};

/** The address of a link: below that of the hub where it was asked at one, else as the hub says. */
const addressOf = ({ base }: HubClient, { path, url }: Pick<Link, "path" | "url">): string =>
  base === undefined ? url : `${base}${path}`;

/** @param isNew if there is no such account: a mistyped name must not make an administrator without a word */
function showLink({ print, note }: Context, client: HubClient, link: Link, isNew = false): void {
  const name = `"${clean(link.name)}"`;
  print(clean(addressOf(client, link), longestAddress));
  const effect = isNew
    ? `There is no account ${name} yet: this link creates it, as an administrator, sets its password`
    : `This link sets the password of ${name}`;
  note(`${effect} and signs in, once, until ${localTime(link.expires)}.`);
}

export const accountCommands: readonly Command[] = [list, create, password, role, remove, link, sessions, signOut];

const columns: readonly ListingColumn<Account>[] = [
  { name: "name", value: (account) => account.name },
  { name: "role", value: (account) => account.role },
  {
    name: "password",
    value: ({ hasPassword, external }) => (hasPassword ? "set" : external === null ? "none" : "elsewhere"),
    tone: ({ hasPassword, external }) => (hasPassword || external !== null ? undefined : "bad"),
  },
  { name: "created", value: ({ created }) => created, text: ({ created }) => localTime(created) },
  {
    name: "used",
    title: "last sign-in",
    value: ({ used }) => used ?? undefined,
    text: ({ used }) => (used === null ? undefined : localTime(used)),
  },
  { name: "sessions", value: ({ sessions }) => sessions },
];
