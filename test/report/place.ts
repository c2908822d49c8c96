// A folder in which the built `gohm report` runs: its settings, its reports, and the played programs that it asks.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { bare, program } from "../system/gohm.ts";
import { type WantedNode, wantedFiles } from "./wanted.ts";

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Every file below a folder, by its path in it. */
export function filesIn(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).toSorted();
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}

/**
 * What differs between files that were made and those that are wanted, a line for each: short, where whole files would fill
 * many screens.
 */
export function differences(
  made: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): string[] {
  const names = [...new Set([...Object.keys(made), ...Object.keys(wanted)])].toSorted();
  return names.flatMap((name) => {
    const [own, other] = [made[name], wanted[name]];
    if (own === other) return [];
    if (own === undefined || other === undefined)
      return [`${name}: ${own === undefined ? "is missing" : "is not wanted"}`];
    const [lines, wantedLines] = [own.split("\n"), other.split("\n")];
    const at = lines.findIndex((line, i) => line !== wantedLines[i]);
    const first = at < 0 ? lines.length : at;
    return [`${name}:${first + 1}: ${JSON.stringify(lines[first])} instead of ${JSON.stringify(wantedLines[first])}`];
  });
}

/** Files of reports by "NODE/DATE/FILE". */
export const foldersOf = (nodes: readonly WantedNode[]): Record<string, string> =>
  Object.fromEntries(
    nodes.flatMap((node) =>
      Object.entries(wantedFiles(node)).map(([name, text]) => [`${node.node}/${node.date}/${name}`, text]),
    ),
  );

export class ReportPlace {
  readonly folder = mkdtempSync(join(tmpdir(), "gohm-report-"));
  readonly settings = join(this.folder, "settings.json");
  readonly reports = join(this.folder, "reports");
  readonly data = join(this.folder, "data");

  constructor() {
    mkdirSync(this.reports);
    mkdirSync(this.data, { mode: 0o700 });
  }

  /** Writes the settings file: those of reports, or its whole text. */
  write(reports: object | string): void {
    writeFileSync(this.settings, typeof reports === "string" ? reports : JSON.stringify({ reports }));
  }

  /** Variables that the program is given. */
  get env(): Record<string, string> {
    return { GOHM_SETTINGS: this.settings, GOHM_DATA: this.data, GOHM_REPORTS_FOLDER: this.reports, TZ: "UTC" };
  }

  /** Starts `gohm report`. */
  start(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): ChildProcessByStdio<null, Readable, Readable> {
    return spawn(process.execPath, [program, "report", ...args], {
      env: { ...bare, ...this.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 30_000,
    });
  }

  /** Runs `gohm report` to its end. */
  async report(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    const child = this.start(args, env);
    const [out, err] = [child.stdout, child.stderr].map((stream) => stream.setEncoding("utf8").toArray());
    const [status] = (await once(child, "close")) as [number | null];
    return { status, stdout: (await out)?.join("") ?? "", stderr: (await err)?.join("") ?? "" };
  }

  /** Files of all reports, by "NODE/DATE/FILE". */
  get files(): Record<string, string> {
    return filesIn(this.reports);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
