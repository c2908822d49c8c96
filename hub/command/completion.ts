import { UsageError } from "../../program/line.ts";
import { type Command, offeredOptions } from "./command.ts";
import { bash } from "./completion/bash.ts";
import { fish } from "./completion/fish.ts";
import type { Verb } from "./completion/verb.ts";
import { zsh } from "./completion/zsh.ts";

const shells = { bash, zsh, fish } as const;
const names = Object.keys(shells);

export const completion: Command = {
  name: "completion",
  summary: "print the script with which a shell completes commands, options and files of gohm",
  details: `For the current shell: source <(gohm completion bash), the same with zsh, or gohm completion fish | source. Permanently, for all users (as root): gohm completion bash >/etc/bash_completion.d/gohm, gohm completion zsh >/usr/local/share/zsh/site-functions/_gohm, or gohm completion fish >/etc/fish/completions/gohm.fish.`,
  positionals: [{ name: "SHELL", noun: `shell (${names.join(", ")})`, completion: names }],
  needs: "nothing",
  options: [],
  exits: { 0: "it was printed", 2: "the command line cannot be understood" },
  async run({ words: [shell = ""], commands, print }) {
    if (!isShell(shell)) {
      throw new UsageError(`gohm completion knows ${names.join(", ")}: it was given "${shell}"`);
    }
    print(scriptOf(shell, commands));
    return 0;
  },
};

const isShell = (name: string): name is keyof typeof shells => Object.hasOwn(shells, name);

/** Completion script for a shell. */
export function scriptOf(shell: keyof typeof shells, commands: readonly Command[]): string {
  const head = `# Completes gohm in ${shell}. Made by: gohm completion ${shell}`;
  const verbs = commands.map(verbOf);
  const script = shells[shell](verbs, head);
  return script.trimEnd();
}

function verbOf(command: Command): Verb {
  return {
    name: command.name,
    summary: command.summary,
    options: offeredOptions(command).map(({ name, short, value, bare, completion: offer, help }) => ({
      name,
      short,
      value: value === undefined && bare === undefined ? "none" : bare === undefined ? "needed" : "optional",
      offer,
      help,
    })),
    words: command.positionals.map(({ completion: offer, many = false }) => ({ offer, many })),
  };
}
