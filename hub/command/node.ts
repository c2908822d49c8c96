import { UsageError } from "../../program/line.ts";
import { clean } from "../../proto/clean.ts";
import { adminRoutes } from "../route/admin.ts";
import type { JsonAnswer, JsonBody } from "../route/route.ts";
import {
  type Command,
  type Context,
  Failure,
  type HubClient,
  isForPrograms,
  type Listing,
  type ListingColumn,
  localTime,
} from "./command.ts";
import { refused, refusedAt } from "./node/refused.ts";

type Node = JsonAnswer<typeof adminRoutes.approveNode>;
type Change = JsonBody<typeof adminRoutes.changeNode>;

const exits = {
  0: "it was done",
  1: "the hub could not be asked, or refused",
  2: "the command line cannot be understood",
};

const common = { needs: "hub", lists: true, options: [], exits } as const;
const name = { name: "NAME", noun: "host" };
const shown = "Prints the host as it is afterwards.";

const list: Command = {
  ...common,
  name: "node list",
  summary: "list all hosts with what administrators have set for them, and machines that wait for approval",
  details:
    'The version is that of the configuration; "had" is the one that a machine that reports by itself has fetched. With --json also capabilities, configuration and registration of each host. A last line on standard error says how many addresses were refused within the last hour, if there are any.',
  positionals: [],
  async run({ given: { flags }, hub, show, note }) {
    const client = hub();
    const answer = await client.call(adminRoutes.nodes, {});
    show({ columns, rows: answer.nodes, json: answer });
    const others = isForPrograms(flags) ? undefined : await refusedAt(client);
    if (others !== undefined) note(others);
    return 0;
  },
};

const approve: Command = {
  ...common,
  name: "node approve",
  summary: "approve machines that wait",
  details:
    "They are counted from then on. A machine that is approved already stays so. A machine that the hub polls under another name is shown under that one, which is said on standard error. If one of several names is refused, those before it are approved.",
  positionals: [{ ...name, many: true }],
  async run({ words, hub, show, note }) {
    const client = hub();
    const nodes: Node[] = [];
    try {
      for (const word of words) {
        const node = await client.call(adminRoutes.approveNode, { name: word });
        nodes.push(node);
        if (word !== node.name && word !== node.shown) note(clean(joinedText(word, node), 1024));
      }
    } finally {
      if (nodes.length > 0) show(listingOf(nodes));
    }
    return 0;
  },
};

/** @param word the name under which a machine registered */
const joinedText = (word: string, { shown }: Node): string =>
  `${word} is the same machine as ${shown} and is shown as ${shown} from now on`;

const set: Command = {
  ...common,
  name: "node set",
  summary: "select what is kept of a host, and set its interval, group, labels or address",
  details: `--config takes the Lab Portal's own object: '{"gpuIndices":[0,1],"diskMounts":["/"],"nicNames":null,"reportIntervalSec":5}'. What is absent stays as it was, null is everything. Address, group and labels of a host of settings.json are changed in that file, if the hub may write it. ${shown}`,
  positionals: [name],
  options: [
    {
      name: "config",
      value: "JSON",
      help: "GPUs, disks and interfaces that are kept, and seconds between two reports.",
    },
    { name: "group", value: "GROUP", help: 'Its group; "" for none.' },
    {
      name: "label",
      value: "KEY=VALUE",
      many: true,
      help: "Sets a label; KEY= removes it. May be there several times.",
    },
    {
      name: "address",
      value: "ADDRESS",
      help: "Where the hub polls it: host:port or tls://host:port.",
    },
  ],
  async run(context) {
    const [word = ""] = context.words;
    const { config, change } = settingsOf(context);
    const client = context.hub();
    const node =
      config === undefined ? undefined : await client.call(adminRoutes.configureNode, { name: word }, config);
    context.show(listingOf([change === undefined ? (node as Node) : await changed(client, word, change, node)]));
    return 0;
  },
};

/** @param saved the host, if its configuration was saved before @throws Failure */
async function changed(client: HubClient, word: string, change: Change, saved: Node | undefined): Promise<Node> {
  try {
    return await client.call(adminRoutes.changeNode, { name: word }, change);
  } catch (error) {
    if (saved === undefined || !(error instanceof Failure)) throw error;
    throw new Failure(`The configuration is saved, and nothing else: ${error.message}`, { cause: error });
  }
}

/** Bodies of the requests that a line asks for, at least one. @throws UsageError */
function settingsOf({ given: { flags }, all }: Context): {
  readonly config: unknown;
  readonly change: Change | undefined;
} {
  const labels = all("label").map(labelOf);
  const { config, group, address } = flags;
  const change: Change = {
    ...(typeof group === "string" ? { group: group === "" ? null : group } : {}),
    ...(typeof address === "string" ? { address } : {}),
    ...(labels.length > 0 ? { setLabels: Object.fromEntries(labels) } : {}),
  };
  const isChange = Object.keys(change).length > 0;
  if (typeof config !== "string" && !isChange) {
    throw new UsageError("gohm node set wants at least one of --config, --group, --label and --address");
  }
  return { config: typeof config === "string" ? jsonOf(config) : undefined, change: isChange ? change : undefined };
}

/** @throws UsageError */
function labelOf(text: string): readonly [string, string | null] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1) || null];
  throw new UsageError(`--label wants KEY=VALUE, or KEY= to remove a label: it was given "${text}"`);
}

/** @throws UsageError */
function jsonOf(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // The message below says what is wanted, and shells often take quotation marks away.
  }
  throw new UsageError(
    `--config wants a JSON object in quotation marks of the shell, like '{"gpuIndices":[0,1]}': it was given ${text}`,
  );
}

const reset: Command = {
  ...common,
  name: "node reset",
  summary: "revoke the token of a machine that reports by itself, so that its host name may register once more",
  details: `It stays approved, from whichever address it registers. A client of the GPU Metrics Logger has no token: its name is opened for one agent (hmonitor --server), which then is that host. ${shown}`,
  positionals: [name],
  async run({ words: [word = ""], hub, show }) {
    show(listingOf([await hub().call(adminRoutes.resetNode, { name: word })]));
    return 0;
  },
};

const rename: Command = {
  ...common,
  name: "node rename",
  summary: "change the name that is shown of a host",
  details: `History keeps the host's own name, and every command takes either. Without a new name, or with the host's own, that one is shown again. ${shown}`,
  positionals: [name, { name: "SHOWN", noun: "name to show", optional: true }],
  async run({ words: [word = "", text = null], hub, show }) {
    show(listingOf([await hub().call(adminRoutes.changeNode, { name: word }, { shown: text } satisfies Change)]));
    return 0;
  },
};

const remove: Command = {
  ...common,
  name: "node delete",
  summary: "remove a host and what was set for it; its token is revoked",
  details:
    "A host of settings.json is removed from that file, if the hub may write it. History is kept unless --history is given; what a machine sent that was never approved is deleted with it.",
  positionals: [name],
  options: [
    { name: "history", help: "Deletes its history, too, also if nothing but history is left of it." },
    { name: "registration", help: "Removes only the machines that registered for it; a polled host stays." },
  ],
  async run({ words: [word = ""], given: { flags }, hub, show }) {
    const { history = false, registration = false } = flags;
    const answer = await hub().call(adminRoutes.deleteNode, {
      name: word,
      ...(history ? { history: "true" } : {}),
      ...(registration ? { registration: "true" } : {}),
    });
    const columns: readonly ListingColumn<string>[] = [
      { name: "name", value: (deleted) => deleted },
      { name: "history", value: () => (answer.history ? "deleted" : "kept") },
    ];
    show({ columns, rows: [word], json: answer });
    return 0;
  },
};

const add: Command = {
  ...common,
  name: "node add",
  summary: "add a host to poll",
  details: `The address is that of its hmonitor: host:port, or tls://host:port if it has a certificate. ${shown}`,
  positionals: [name, { name: "ADDRESS", noun: "address" }],
  async run({ words: [word = "", address = ""], hub, show }) {
    show(listingOf([await hub().call(adminRoutes.addServer, {}, { name: word, address })]));
    return 0;
  },
};

export const nodeCommands: readonly Command[] = [list, approve, set, reset, rename, remove, add, refused];

const listingOf = (nodes: readonly Node[]): Listing<Node> => ({
  columns,
  rows: nodes,
  json: nodes.length === 1 ? nodes[0] : { nodes },
});

/** How many GPUs a host has, and how many of them are kept; undefined if nothing was ever heard from it. */
function gpusOf({ seen, registration, capabilities, config }: Node): { kept: number; all: number } | undefined {
  if (seen === null && registration === null) return undefined;
  const { gpuIndices } = config;
  const { gpus } = capabilities;
  // Cards that are gone may still be selected.
  const kept = gpuIndices === null ? gpus : gpus.filter(({ index }) => gpuIndices.includes(index));
  return { kept: kept.length, all: gpus.length };
}

const columns: readonly ListingColumn<Node>[] = [
  {
    name: "name",
    value: (node) => node.name,
    text: (node) => (node.shown === node.name ? node.name : `${node.shown} (${node.name})`),
  },
  { name: "shown", value: (node) => node.shown, hidden: true },
  {
    name: "state",
    value: ({ state }) => state,
    text: ({ state, registration, ways }) =>
      [
        state,
        ...(state !== "waiting" && registration?.state === "waiting" ? ["registration waits"] : []),
        ...(ways.includes("logger") ? ["without a token"] : []),
        ...(registration?.reset ? [ways.includes("logger") ? "an agent may register" : "may register again"] : []),
      ].join(", "),
    tone: ({ state }) => (state === "answering" ? "good" : state === "history" ? undefined : "bad"),
  },
  { name: "group", value: ({ group }) => group ?? undefined },
  { name: "labels", value: ({ labels }) => Object.entries(labels).map(([label, value]) => `${label}=${value}`) },
  { name: "ways", value: ({ ways }) => ways, hidden: true },
  { name: "address", value: ({ address }) => address ?? undefined },
  {
    name: "seen",
    value: ({ seen }) => seen ?? undefined,
    text: ({ seen }) => (seen === null ? undefined : localTime(seen)),
  },
  {
    name: "gpus",
    value: (node) => gpusOf(node)?.kept,
    text(node) {
      const gpus = gpusOf(node);
      return gpus === undefined || node.config.gpuIndices === null ? gpus?.all : `${gpus.kept} of ${gpus.all}`;
    },
  },
  {
    name: "interval",
    value: ({ config }) => config.reportIntervalSec ?? undefined,
    text: ({ config: { reportIntervalSec: seconds } }) => (seconds === null ? undefined : `${seconds} s`),
  },
  {
    name: "version",
    value: ({ configVersion }) => configVersion,
    text: ({ configVersion, taken }) =>
      taken === null || taken.version === configVersion
        ? `${configVersion}`
        : `${configVersion} (had ${taken.version})`,
  },
  { name: "taken", value: ({ taken }) => taken?.version, hidden: true },
  {
    name: "trouble",
    value: ({ reason, trouble }) => [...(reason === null ? [] : [reason]), ...trouble],
    tone: () => "bad",
  },
];
