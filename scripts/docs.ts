// Writes the documents that are made from the code: npm run docs. test/docs.test.ts checks that they are current.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { listedMetrics } from "../agent/serve/exporter.ts";
import { table as agentTable } from "../agent/settings.ts";
import { exporterTable } from "../agent/toml.ts";
import { commands } from "../hub/command/all.ts";
import { type Command, connection, settingsOf, shownOptions, usageOf } from "../hub/command/command.ts";
import { sentence } from "../hub/command/help.ts";
import { table as hubTable } from "../hub/settings.ts";
import { formOf } from "../program/line.ts";
import { defaultOf, flagOf, inFile, jsonSchema, onLine, type Table } from "../program/setting.ts";
import { catalog, type Metric } from "../proto/catalog.ts";
import type { Level } from "../proto/device.ts";
import { Kind, Unit } from "../proto/gen/metric_pb.js";
import { api } from "./api.ts";
import { architecture } from "./architecture.ts";
import { board } from "./board.ts";

const top = fileURLToPath(new URL("..", import.meta.url));

const levels: Readonly<Record<Level, string>> = {
  gpu: "Of each GPU",
  host: "Of the host",
  disk: "Of each filesystem",
  nic: "Of each network interface",
};

const units: Readonly<Record<Unit, string>> = {
  [Unit.UNSPECIFIED]: "",
  [Unit.BYTES]: "bytes",
  [Unit.BYTES_PER_SECOND]: "bytes/s",
  [Unit.PERCENT]: "%",
  [Unit.CELSIUS]: "°C",
  [Unit.MILLIWATTS]: "mW",
  [Unit.MEGAHERTZ]: "MHz",
  [Unit.SECONDS]: "s",
  [Unit.COUNT]: "",
  [Unit.MILLIJOULES]: "mJ",
  [Unit.KIBIBYTES]: "KiB",
};

function metricRow(m: Metric): string {
  const kind = m.kind === Kind.COUNTER ? "counter" : "gauge";
  const legacy = m.legacy ? ` (also \`${m.legacy}\`)` : "";
  const history = m.keep ? `yes${m.scale === 1 ? "" : `, × ${m.scale}`}${legacy}` : "no";
  return `| \`${m.name}\` | ${units[m.unit]} | ${kind} | ${history} | ${m.prometheus ? `\`hw_${m.prometheus}\`` : "–"} | ${m.help} |`;
}

/** What the exporter tells beside the catalogue, or in other words than it. */
function exporterRows(): string {
  const same = (name: string, help: string) => catalog.some((m) => `hw_${m.prometheus}` === name && m.help === help);
  const rows = listedMetrics
    .filter(({ name, help }) => !same(name, help))
    .map(({ name, help }) => `| \`${name}\` | ${help} |`);
  return `| Prometheus name | What it is |\n|---|---|\n${rows.join("\n")}\n`;
}

function metrics(): string {
  const parts = (Object.keys(levels) as Level[]).map((level) => {
    const rows = catalog.filter((m) => m.level === level).map(metricRow);
    const head = "| Name | Unit | Kind | In history | Prometheus name | What it is |\n|---|---|---|---|---|---|";
    return `## ${levels[level]}\n\n${head}\n${rows.join("\n")}\n`;
  });
  return `# Metrics

Made by \`npm run docs\` from \`proto/host.proto\`, the only place where a metric is declared.

A name is the \`metric\` of \`/api/history\` ([history.md](history.md)), which gives values in the unit stated here, fractions with two decimals. It is also the \`type\` of \`History.GetHistory\`, \`/pk\` and \`/hist\`. Their \`v\` is an integer in the unit given here; "× 100" means that the value is multiplied
by 100 first and rounded, so that two decimals survive. GPU series have the id \`<server>_<gpu index>\`, host series \`<server>\`;
a MIG instance has 1000 × (index of its GPU + 1) + its number there as index. One further type, \`gpumem\`, is
\`gpu_memory_used / gpu_memory_total × 10000\`, cut to an integer. A reading that a machine does not offer is absent everywhere: it is never 0.
The hub takes no value that no machine can have: a share outside 0 to 100 % (a fan's may reach 200), a temperature outside -60 to 200 °C, more than 100 kW, 100 GHz or 100 TB/s, a number below 0, and more in
use than there is are absent.

${parts.join("\n")}
## The exporter's own

Beside the catalogue, or in other words than it. Instances of a divided GPU have all of a GPU's under \`hw_gpu_instance_*\`.

${exporterRows()}
[exporter.md](exporter.md) tells which labels they have, and how to have fewer of them.
`;
}

function exporterSettings(): string {
  const rows = Object.values(exporterTable).map(
    ({ name, env, help, reader, default: value }) =>
      `| \`${name}\` | \`${env}\` | \`${JSON.stringify(value)}\` | ${help} Wants ${reader.wanted}. |`,
  );
  return ["| File | Environment | Default | What it does |", "|---|---|---|---|", ...rows].join("\n");
}

/** Makes settings.json of the first GOHM's settings.py, or says why not and leaves nothing. */
const moveOver = `python3 -c 'import json, runpy; text = json.dumps({"servers": dict(runpy.run_path("settings.py")["servers"])}, indent=2); open("settings.json", "x").write(text + "\\n")'`;

/** Rows of settings as a table. */
function settingsTable(table: Table): string {
  const lines = Object.values(table).map((row) => {
    const file = inFile(row) ? `\`${row.name}\`` : "–";
    const flag = onLine(row) ? `\`--${flagOf(row)}\`` : "–";
    const env = row.only === "file" ? "–" : `\`${row.env}\``;
    return `| ${file} | ${env} | ${flag} | \`${defaultOf(row)}\` | ${row.help} Wants ${row.reader.wanted}. |`;
  });
  return ["| File | Environment | Flag | Default | What it does |", "|---|---|---|---|---|", ...lines].join("\n");
}

function settings(): string {
  return `# Settings

Made by \`npm run docs\` from the tables of the hub's parts and of \`agent/settings.ts\`. A flag wins over an environment variable, that over the
settings file, that over the default. An empty variable counts as not set.

## Hub

The settings file is JSON; comments and trailing commas are allowed. It is read again when it changes, and so are files of secrets; an edit that
cannot be used changes nothing, and the log and the page say why. An empty file is such an edit ([decision 28](decisions/0028-an-empty-settings-file-is-an-error.md)): \`{}\` gives the defaults. [settings.schema.json](settings.schema.json) lets an editor check it.

${settingsTable(hubTable)}

### From the settings.py of the first GOHM

Where that file is, once; it runs the file, as the first hub did, and writes \`servers\` of it and nothing else. A \`settings.json\` that is there is not written over.

\`\`\`sh
${moveOver}
\`\`\`

Names may be of letters, digits, dots, underscores and hyphens: the hub's log says which one is not. A series keeps its name, \`<server name>_<gpu id>\`, so keep the names.

## Agent

${settingsTable(agentTable)}

## The exporter's own file

TOML, named by \`GOHM_EXPORTER_CONFIG\`; where none is named and the exporter is switched on, \`./config/default.toml\` and then \`./config/local.toml\` are read, the later winning, as the earlier exporter
read them. Other forms (YAML, JSON, …) are refused there. The environment wins over all of them. \`GOHM_METRICS_ADDR\` wins over both hosts and ports.

${exporterSettings()}
`;
}

function commandText(command: Command): string {
  const { name, summary, details, exits } = command;
  const options = command.settings === "shown" ? [] : shownOptions(command);
  const variables = settingsOf(command).filter(({ only }) => only === "env");
  return [
    `## gohm ${name}`,
    `    ${usageOf(command)}`,
    [sentence(summary), ...(details ? [details] : [])].join(" "),
    ...(command.settings === "shown" ? ["Its options are the [settings](settings.md#hub)."] : []),
    ...(options.length + variables.length === 0
      ? []
      : [
          [
            "| Option | What it does |",
            "|---|---|",
            ...options.map((option) => `| \`${formOf(option)}\` | ${option.help.replaceAll("|", "\\|")} |`),
            ...variables.map(({ env, help }) => `| \`${env}\` (environment) | ${help} |`),
          ].join("\n"),
        ]),
    [
      "| Exit status | What it means |",
      "|---|---|",
      ...Object.entries(exits).map(([status, meaning]) => `| ${status} | ${meaning} |`),
    ].join("\n"),
  ].join("\n\n");
}

function cli(): string {
  const rows = commands.map(
    ({ name, summary }) => `| [\`gohm ${name}\`](#gohm-${name.replaceAll(" ", "-")}) | ${summary} |`,
  );
  return `# Commands

Made by \`npm run docs\` from the rows in \`hub/command/\`; \`gohm help COMMAND\` prints the same. Where \`install.sh --hub\` ran, \`gohm\` has the settings of the service; in a folder where it was built it is
\`npx gohm\`, in a container \`docker exec gohm gohm\`. Options may be before or after the words of a command, and \`--\` ends them. A mistyped command or option is answered with the nearest one there is.

| Command | What it does |
|---|---|
${rows.join("\n")}

## The hub that a command asks

Commands that ask a running hub take its address from \`--hub URL\` or \`${connection.hub.env}\`, and show it the token in \`${connection.token.env}\` (or in the file that \`${connection.token.env}_FILE\` names) as
\`Authorization: Bearer\`. Without an address they ask the hub that runs on the data folder (\`--data\`, \`GOHM_DATA\`) through its control socket, which only the hub's user and root may do. A flag wins over a variable, \`--data\` also over
\`${connection.hub.env}\`.

An address may have a path, as behind a proxy. For \`https:\` the certificate must be one that Node trusts: \`NODE_EXTRA_CA_CERTS\` names a file (PEM) with the authority of one's own. The variables \`http_proxy\` and \`https_proxy\` count
only with \`NODE_USE_ENV_PROXY=1\`. A redirect is not followed, because the token is meant for one address.

## Forms of output

Commands that print rows print them for people: aligned, with units, on a terminal cut to its width and in colour (not with \`--no-color\`, with \`NO_COLOR\` in the environment, or into a pipe). What is not known is a dash. For programs:

- \`--json\`: the answer as the hub gave it. Characters that could steer a terminal are written as \`\\u\` escapes.
- \`--csv\`: RFC 4180, with a head line, without units. A text that begins with \`=\`, \`+\`, \`-\`, \`@\` gets an apostrophe before it, so that no spreadsheet calculates it; numbers never do.
- \`-P\`, \`--parsable\`: as \`sacct -P\`: a head line, then a line a row, with \`|\` between the columns, without units. A \`|\` in a value is written \`¦\`.

No text from a machine or a hub can end a line, turn the writing direction or control the terminal. A reader that ends early (\`gohm … | head\`) is not an error.

${commands.map(commandText).join("\n\n")}
`;
}

/** Path below the top folder → content. */
export const documents: Readonly<Record<string, () => string>> = {
  "docs/api.md": api,
  "docs/architecture.md": architecture,
  "docs/metrics.md": metrics,
  "docs/cli.md": cli,
  "docs/settings.md": settings,
  "docs/settings.schema.json": () => `${JSON.stringify(jsonSchema(hubTable, "Settings of the GOHM hub"), null, 2)}\n`,
  "deploy/grafana/gohm.json": () => `${JSON.stringify(board("en"), null, 2)}\n`,
  "deploy/grafana/gohm.zh-CN.json": () => `${JSON.stringify(board("zh-CN"), null, 2)}\n`,
};

if (import.meta.main) {
  for (const [path, content] of Object.entries(documents)) writeFileSync(join(top, path), content());
}
