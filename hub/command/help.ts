import { helpLines, UsageError, verbOf } from "../../program/line.ts";
import { type Command, settingsOf, shownOptions, synonyms, usageOf } from "./command.ts";

export const help: Command = {
  name: "help",
  summary: "explain a command",
  positionals: [{ name: "COMMAND", noun: "command", optional: true, many: true, completion: "command" }],
  needs: "nothing",
  options: [],
  exits: { 0: "it was printed", 2: "there is no such command" },
  async run({ words, commands, version, print }) {
    const found = verbOf(words, commands, synonyms);
    if (found !== undefined && found.rest.length > 0) {
      throw new UsageError(`gohm help wants at most one command: it was given "${words.join(" ")}"`);
    }
    print(found === undefined ? overview(commands, version) : helpOf(found.verb));
    return 0;
  },
};

/** Help on all commands, and on the options of the one that runs without a name. */
export function overview(commands: readonly Command[], version: string): string {
  const [first] = commands;
  const width = Math.max(...commands.map((command) => usageOf(command).length));
  const lines = commands.map((command) => `  ${usageOf(command).padEnd(width)}  ${command.summary}`);
  return [
    `gohm ${version}: watches GPU machines`,
    "",
    "Usage:",
    ...lines,
    `  ${"gohm --help | --version".padEnd(width)}  gohm COMMAND --help explains a command`,
    "",
    "Options of gohm and gohm serve, each with its environment variable; a flag comes before the environment, that before the settings file:",
    ...(first === undefined ? [] : helpLines(shownOptions(first))),
  ].join("\n");
}

/** Help on one command. */
export function helpOf(command: Command): string {
  const options = shownOptions(command);
  const variables = settingsOf(command).filter(({ only }) => only === "env");
  const paragraphs = [
    [`Usage: ${usageOf(command)}`, "", sentence(command.summary), ...(command.details ? ["", command.details] : [])],
    options.length === 0 ? [] : ["Options:", ...helpLines(options)],
    variables.length === 0 ? [] : ["Environment:", ...variables.map((row) => `  ${row.env}\n      ${row.help}`)],
    ["Exit status:", ...Object.entries(command.exits).map(([status, meaning]) => `  ${status}  ${meaning}`)],
  ];
  return paragraphs.flatMap((lines) => (lines.length === 0 ? [] : [lines.join("\n")])).join("\n\n");
}

/** "print it" as "Print it." */
export const sentence = (summary: string): string => `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
