import { helpLines, UsageError, verbOf } from "../../program/line.ts";
import { type Command, settingsOf, shownOptions, synonyms, usageOf } from "./command.ts";

export const help: Command = {
  name: "help",
  summary: "explain a command, or list those of a first word",
  positionals: [{ name: "COMMAND", noun: "command", optional: true, many: true, completion: "command" }],
  needs: "nothing",
  options: [],
  exits: { 0: "it was printed", 2: "there is no such command" },
  async run({ words, commands, version, print }) {
    const [first, ...others] = words;
    const group = others.length > 0 ? [] : commands.filter(({ name }) => name.startsWith(`${first} `));
    if (group.length > 0) {
      print(["Usage:", ...usageLines(group), "", `gohm help ${first} WORD explains one of them.`].join("\n"));
      return 0;
    }
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
  return [
    `gohm ${version}: watches GPU machines`,
    "",
    "Usage:",
    ...usageLines(commands, ["gohm --help | --version", "gohm COMMAND --help explains a command"]),
    "",
    "Options of gohm and gohm serve, each with its environment variable; a flag comes before the environment, that before the settings file:",
    ...(first === undefined ? [] : helpLines(shownOptions(first))),
  ].join("\n");
}

/** A line for each command, and for a form of the line that is none. */
function usageLines(commands: readonly Command[], ...more: (readonly [usage: string, summary: string])[]): string[] {
  const lines = [...commands.map((command) => [usageOf(command), command.summary] as const), ...more];
  const width = Math.max(...lines.map(([usage]) => usage.length));
  return lines.map(([usage, summary]) => `  ${usage.padEnd(width)}  ${summary}`);
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
