import { join } from "node:path";
import {
  oneOf,
  path,
  quoted,
  row,
  SettingError,
  type SettingReader,
  type Table,
  text,
  type Values,
  webAddress,
} from "../../program/setting.ts";
import { timeZone, Zone } from "../../program/zone.ts";
import { isServerName, serverNameWanted } from "../servers.ts";
import type { CardNumbering, ReportNode } from "./report.ts";

/** Most cards of a node. */
const mostCards = 256;
/** Greatest number of a card. */
const mostCard = 99_999;

const numberings = ["card", "node"] as const satisfies readonly CardNumbering[];

/** A node as the settings file has it. */
type NodeSetting = Omit<ReportNode, "name">;
type NodeSettings = Readonly<Record<string, NodeSetting>>;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isCard = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= mostCard;

const refusal = (name: string, wanted: string, value: unknown): SettingError =>
  new SettingError(`Cannot read setting "${name}": must be ${wanted}: current value is ${quoted(value)}`);

/** @throws SettingError */
function checkName(setting: string, name: string): void {
  if (!isServerName(name)) throw refusal(setting, `an object whose names are ${serverNameWanted}`, name);
}

/** @throws SettingError */
function checkNode(name: string, { netdata, host, cards, ids, first, ...others }: Record<string, unknown>): void {
  const [stranger] = Object.keys(others);
  if (stranger !== undefined) {
    throw new SettingError(
      `Unknown setting "${name}.${stranger}": a node has "netdata" or "host", and "cards", "ids" and "first"`,
    );
  }
  if ((netdata === undefined) === (host === undefined)) {
    throw refusal(name, 'an object with either "netdata" or "host"', { netdata, host });
  }
  if (netdata !== undefined && (netdata === "" || webAddress.parse(netdata) === undefined)) {
    throw refusal(`${name}.netdata`, 'the address of its Netdata, like "http://10.0.0.17:19999"', netdata);
  }
  if (host !== undefined && !(typeof host === "string" && host !== "" && host.length <= 256)) {
    throw refusal(`${name}.host`, "the name of a host that the hub knows", host);
  }
  const isList = Array.isArray(cards) && cards.length > 0 && cards.length <= mostCards && cards.every(isCard);
  if (cards !== undefined && !(isList && new Set(cards).size === cards.length)) {
    throw refusal(`${name}.cards`, "a list of different numbers of cards, that of GPU 0 first, like [1, 9, 17]", cards);
  }
  if (ids !== undefined && !numberings.some((one) => one === ids)) throw refusal(`${name}.ids`, "card or node", ids);
  if (first !== undefined && !isCard(first)) throw refusal(`${name}.first`, "the id of its first GPU", first);
}

const cardSchema = { type: "integer", minimum: 0, maximum: mostCard };

const nodes: SettingReader<NodeSettings> = {
  wanted:
    'an object of name → {"netdata": "http://host:19999"} or {"host": name of a host}, with "cards" (numbers of the cards, that of GPU 0 first), "ids" and "first" where they differ',
  schema: {
    type: "object",
    propertyNames: { pattern: "^(?!\\.+$)[A-Za-z0-9._-]{1,64}$" },
    additionalProperties: {
      type: "object",
      properties: {
        netdata: { type: "string" },
        host: { type: "string", minLength: 1, maxLength: 256 },
        cards: { type: "array", items: cardSchema, minItems: 1, maxItems: mostCards, uniqueItems: true },
        ids: { enum: numberings },
        first: cardSchema,
      },
      additionalProperties: false,
    },
  },
  parse(value) {
    if (!isObject(value)) return undefined;
    for (const [name, node] of Object.entries(value)) {
      checkName("reports.nodes", name);
      if (!isObject(node)) throw refusal(`reports.nodes.${name}`, 'an object with either "netdata" or "host"', node);
      checkNode(`reports.nodes.${name}`, node);
    }
    return value as NodeSettings;
  },
};

const firsts: SettingReader<Readonly<Record<string, number>>> = {
  wanted: 'an object of node → id of its first GPU, like {"gpu1": 1, "gpu2": 17}',
  schema: { type: "object", additionalProperties: cardSchema },
  parse(value) {
    if (!isObject(value)) return undefined;
    for (const [name, first] of Object.entries(value)) {
      checkName("reports.tasks.first", name);
      if (!isCard(first)) throw refusal(`reports.tasks.first.${name}`, "the id of its first GPU", first);
    }
    return value as Record<string, number>;
  },
};

/** Settings of daily reports, which the hub and `gohm report` have in common. */
export const table = {
  nodes: row<NodeSettings>({
    name: "reports.nodes",
    env: "",
    only: "file",
    default: {},
    help: 'Nodes of which a report is written after each day, each with the address of its Netdata ("netdata"), or with the name of a host of this hub ("host"), whose history is used.',
    reader: nodes,
  }),
  folder: row({
    name: "reports.folder",
    env: "GOHM_REPORTS_FOLDER",
    default: "",
    help: "Folder of the reports: NODE/YYYY-MM-DD/ in it. Empty: the folder reports in the data folder.",
    reader: path("folder"),
  }),
  timezone: row({
    name: "reports.timezone",
    env: "GOHM_REPORTS_TIMEZONE",
    default: "",
    help: "Time zone of the days of reports; empty for hub.timezone.",
    reader: timeZone,
  }),
  time: row({
    name: "reports.time",
    env: "GOHM_REPORTS_TIME",
    default: "23:45",
    help: "Local time at which reports are written: of the day that ends from 12:00 on, of the day before at an earlier time.",
    reader: text('a time from "00:00" to "23:59"', (value) => /^([01]\d|2[0-3]):[0-5]\d$/.test(value)),
  }),
  tasksUrl: row({
    name: "reports.tasks.url",
    env: "GOHM_REPORTS_TASKS_URL",
    default: "",
    help: "Address of the API that knows whose task runs on which GPU; /api/v2/consumption/task is added. Empty: reports name nobody.",
    reader: webAddress,
  }),
  tasksTokenFile: row({
    name: "reports.tasks.token_file",
    env: "GOHM_REPORTS_TASKS_TOKEN_PATH",
    default: "",
    help: "File with the token of that API, which is read anew for each report. GOHM_REPORTS_TASKS_TOKEN or GOHM_REPORTS_TASKS_TOKEN_FILE may give it instead.",
    reader: path("file"),
  }),
  tasksToken: row({
    name: "reports.tasks.token",
    env: "GOHM_REPORTS_TASKS_TOKEN",
    only: "env",
    default: "",
    help: "Token of that API.",
    reader: text("a text without line breaks", (value) => !/[\r\n]/.test(value)),
    secret: true,
  }),
  ids: row<CardNumbering>({
    name: "reports.tasks.ids",
    env: "GOHM_REPORTS_TASKS_IDS",
    default: "card",
    help: 'What that API means by the id of a GPU: the number of its card ("card"), or one that counts through the nodes ("node", with reports.tasks.first).',
    reader: oneOf(...numberings),
  }),
  first: row<Readonly<Record<string, number>>>({
    name: "reports.tasks.first",
    env: "",
    only: "file",
    default: {},
    help: "Id of the first GPU of each node where ids count through the nodes.",
    reader: firsts,
  }),
} satisfies Table;

export type ReportSettings = Values<typeof table>;

/** The nodes of the settings, in the order of the file. */
const nodesOf = ({ nodes, ids, first }: ReportSettings): readonly ReportNode[] =>
  Object.entries(nodes).map(([name, node]) => ({
    name,
    ids,
    ...(Object.hasOwn(first, name) ? { first: first[name] } : {}),
    ...node,
    ...(node.netdata === undefined ? {} : { netdata: node.netdata.replace(/\/+$/, "") }),
  }));

/** What reports are made by, with every default filled in. */
export interface ReportPlan {
  readonly nodes: readonly ReportNode[];
  /** Folder of the reports. */
  readonly folder: string;
  readonly zone: Zone;
  /** "HH:MM". */
  readonly time: string;
  /** The task API; undefined without one. */
  readonly tasks: TaskSource | undefined;
}

export interface TaskSource {
  /** Address of the API, without a slash at the end. */
  readonly url: string;
  /** Secret; "" if the file has it. */
  readonly token: string;
  /** "" without a file. */
  readonly tokenFile: string;
  /** Folder for the last answer of each day, which names people. */
  readonly folder: string;
}

/** @param data folder of the hub @param timezone that of the hub (`hub.timezone`) */
export const planOf = (settings: ReportSettings, data: string, timezone: string): ReportPlan => ({
  nodes: nodesOf(settings),
  folder: settings.folder || join(data, "reports"),
  zone: new Zone(settings.timezone || timezone),
  time: settings.time,
  tasks:
    settings.tasksUrl === ""
      ? undefined
      : {
          url: settings.tasksUrl.replace(/\/+$/, ""),
          token: settings.tasksToken,
          tokenFile: settings.tasksTokenFile,
          folder: join(data, "report-tasks"),
        },
});
