// The scripts in the real shells; those that are not installed are skipped by name.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commands } from "./all.ts";
import type { Command } from "./command.ts";
import { scriptOf } from "./completion.ts";

let folder = "";

const verb = (name: string, more: Partial<Command> = {}): Command => ({
  name,
  summary: `say "what's up": ${name}`,
  positionals: [],
  needs: "nothing",
  options: [],
  exits: {},
  run: async () => 0,
  ...more,
});

/** Verbs of two words, which there will be. */
const nested: readonly Command[] = [
  verb("serve"),
  verb("node list", { needs: "hub" }),
  verb("node add", { positionals: [{ name: "NAME", noun: "name", completion: ["gpu1", "gpu2"] }] }),
];

const scripts = { real: commands, nested } as const;
type Which = keyof typeof scripts;
type Shell = Parameters<typeof scriptOf>[0];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-completion-"));
  for (const shell of ["bash", "zsh", "fish"] as const) {
    for (const which of ["real", "nested"] as const) {
      writeFileSync(join(folder, `${which}.${shell}`), `${scriptOf(shell, scripts[which])}\n`);
    }
  }
  const work = join(folder, "work");
  mkdirSync(join(work, "some folder"), { recursive: true });
  writeFileSync(join(work, "some-file"), "");
});

afterAll(() => rmSync(folder, { recursive: true }));

/** A word is cut at "=" by readline, before the script sees it. */
const bash = `source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _gohm; printf '%s\\n' "\${COMPREPLY[@]}"`;

/** Types each line and a Tab into a terminal of zsh. Every match goes to the output, and a mark after the last one. */
const zsh = `zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PROMPT= RPROMPT=; cd $PWD; source $1; print RE''ADY"
zpty -r -m z said '*READY*'
shift
for line; do
  zpty -n -w z "$line"$'\\t'
  zpty -r -m z said '*<END>*'
  print -r -- "$said"
  zpty -n -w z $'\\x15'
done`;

const inside = (script: string): string => `autoload -Uz compinit; compinit -D -u
source ${script}
compadd() {
  if [[ "\${@[1,(i)(-|--)]}" == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi
  local -a hits; builtin compadd -O hits "$@"
  local hit; for hit in "\${(@)hits}"; do print -r -- "<$hit>"; done
  builtin compadd "$@"
}
finish() { print '<END>'; comppostfuncs=(finish) }
comppostfuncs=(finish)
setopt no_list_beep no_auto_list
bindkey '^I' complete-word`;

function run(program: string, args: readonly string[]): string {
  const { stdout, stderr, status, error } = spawnSync(program, args, {
    cwd: join(folder, "work"),
    encoding: "utf8",
    timeout: 30_000,
    env: { PATH: process.env.PATH, HOME: folder, TERM: "xterm", LANG: "C.UTF-8" },
  });
  if (error || status !== 0) throw new Error(`${program} ended with ${status}: ${error ?? stderr}`);
  return stdout;
}

/** What each of some lines is completed by. */
const complete: Readonly<Record<Shell, (script: string, lines: readonly string[]) => string[][]>> = {
  bash: (script, lines) =>
    lines.map((line) => {
      const words = line.split(" ").flatMap((word) => word.split(/(?<==)|(?==)/));
      return run("bash", ["--norc", "--noprofile", "-c", bash, "bash", script, ...words]).split("\n");
    }),
  zsh(script, lines) {
    const start = join(folder, "inside.zsh");
    writeFileSync(start, inside(script));
    return run("zsh", ["-f", "-c", zsh, "zsh", start, ...lines])
      .split("<END>")
      .slice(0, lines.length)
      .map((part) => [...part.matchAll(/<(.*?)>\r?\n/g)].map(([, word = ""]) => word));
  },
  fish: (script, lines) =>
    lines.map((line) =>
      run("fish", ["--no-config", "-c", 'source $argv[1]; complete -C "$argv[2]"', script, line])
        .split("\n")
        .map((entry) => entry.split("\t")[0] ?? ""),
    ),
};

/** Without order, and without how a shell writes a folder or a blank. */
const plain = (words: readonly string[]): string[] =>
  [...new Set(words.map((word) => word.replaceAll("\\", "").replace(/\/$/, "")))].filter((word) => word !== "").sort();

const lines: Readonly<Record<Which, readonly (readonly [string, readonly string[]])[]>> = {
  real: [
    ["gohm st", ["status"]],
    ["gohm ", [...new Set(commands.map(({ name }) => name.split(" ")[0] ?? ""))].sort()],
    ["gohm no", ["node"]],
    ["gohm node re", ["refused", "rename", "reset"]],
    ["gohm help node re", ["refused", "rename", "reset"]],
    ["gohm help ac", ["account"]],
    ["gohm --data x token cr", ["create"]],
    ["gohm token create t --scope ", ["admin", "enroll", "push", "read"]],
    ["gohm account create a --role v", ["viewer"]],
    ["gohm account role a ", ["administrator", "viewer"]],
    ["gohm node set gpu1 --la", ["--label"]],
    ["gohm node approve gpu1 g", []],
    ["gohm --data serve ba", ["backup"]],
    ["gohm backup --da", ["--data"]],
    ["gohm status --js", ["--json"]],
    ["gohm status --poll", []],
    ["gohm --poll-i", ["--poll-interval"]],
    ["gohm serve --poll-i", ["--poll-interval"]],
    ["gohm completion ", ["bash", "fish", "zsh"]],
    ["gohm help st", ["status"]],
    ["gohm backup som", ["some folder", "some-file"]],
    ["gohm restore som", ["some folder", "some-file"]],
    ["gohm backup --data som", ["some folder"]],
    ["gohm --settings som", ["some folder", "some-file"]],
    ["gohm --poll-interval som", []],
    ["gohm status som", []],
    ["gohm --history-reflection=f", ["false"]],
    ["gohm --data=som", ["some folder"]],
    ["gohm --data=x ba", ["backup"]],
  ],
  nested: [
    ["gohm no", ["node"]],
    ["gohm node ", ["add", "list"]],
    ["gohm node list --hu", ["--hub", "--hub-ca"]],
    ["gohm node --hub x add gpu", ["gpu1", "gpu2"]],
    ["gohm node add gpu1 g", []],
  ],
};

describe.each(["bash", "zsh", "fish"] as const)("%s", (shell) => {
  const there = spawnSync(shell, ["--version"]).status === 0;

  test.runIf(there).each(["real", "nested"] as const)("completes what belongs to the %s commands", (which) => {
    // Of words with "=", fish shows the whole word.
    const asked = lines[which].filter(([line]) => shell !== "fish" || !line.includes("="));
    const found = complete[shell](
      join(folder, `${which}.${shell}`),
      asked.map(([line]) => line),
    );
    expect(asked.map(([line], i) => [line, plain(found[i] ?? [])])).toEqual(asked);
  });
});
