import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { SystemInfo } from "../../../proto/gen/host_pb.js";
import { Hung } from "../source.ts";
import { type ColumnName, columns, parseApps, parseGpus, type SmiTable } from "./csv.ts";
import { type NvmlGpu, ok } from "./gpu.ts";

/** Milliseconds that nvidia-smi may take, whatever the read as a whole may. */
const patience = 5000;

/** Statuses with which nvidia-smi has printed all it was asked for: 14 warns of a corrupted infoROM. */
const complete: ReadonlySet<number | null> = new Set([0, 14]);

/** Bytes of output beyond which it is not nvidia-smi's. */
const mostOutput = 4 * 1024 * 1024;

/** Paths of nvidia-smi outside of PATH; they are tried below the host's prefix, too. */
const usual = ["/usr/bin", "/usr/local/bin", "/usr/local/nvidia/bin", "/usr/lib/wsl/lib", "/run/nvidia/driver/usr/bin"];

/**
 * Files that may be nvidia-smi, best first.
 * @param root Prefix of the host's folders.
 */
export function smiPlaces(root: string, path: string | undefined, exists: (file: string) => boolean): string[] {
  const folders = [...(path ?? "").split(":").filter((folder) => folder.startsWith("/")), ...usual];
  const prefixed = root === "/" ? [] : [join(root, "usr", "bin")];
  return [...new Set([...folders, ...prefixed])].map((folder) => join(folder, "nvidia-smi")).filter(exists);
}

interface SmiExit {
  readonly status: number | null;
  readonly output: string;
  /** The last that it printed, on either stream. */
  readonly last: string;
}

interface Limits {
  /** Milliseconds. */
  readonly deadline: number;
  readonly signal: AbortSignal;
}

export interface SmiReading {
  readonly gpus: NvmlGpu[];
  readonly system: Pick<Partial<SystemInfo>, "driverVersion">;
}

/** Reads GPUs by nvidia-smi, where the driver's library cannot be loaded: a process start and less detail for each read. */
export class Smi {
  readonly #program: string;
  /** Columns that this version of nvidia-smi knows. */
  #names = Object.keys(columns) as ColumnName[];
  readonly #running = new Set<ChildProcess>();
  /** SmiExit by us, but not gone yet. */
  readonly #killed = new Set<ChildProcess>();

  constructor(program: string) {
    this.#program = program;
  }

  /**
   * @throws Hung when it does not end in time, Error for everything else.
   */
  async read(limits: Limits): Promise<SmiReading> {
    if (this.#killed.size > 0)
      throw new Hung("nvidia-smi hangs in the kernel: it cannot be ended; restart the machine");
    const inTime = { ...limits, deadline: Math.min(limits.deadline, patience) };
    const [cards, apps] = await Promise.all([
      this.#gpus(inTime),
      this.#run(["--query-compute-apps=gpu_uuid,pid,used_memory", "--format=csv,noheader,nounits"], inTime),
    ]);
    const { gpus, rest } = cards;
    const complaint = `nvidia-smi: ${apps.last} (status ${apps.status})`;
    const { procs, hides } = parseApps(apps.output);
    for (const gpu of gpus) {
      if (gpu.state !== ok) continue;
      gpu.procs = procs.get(gpu.uuid ?? "") ?? [];
      if (hides(gpu.uuid ?? "")) gpu.procsUnknown = true;
      if (complete.has(apps.status)) continue;
      // What was printed before the failure is true, but may not be all.
      gpu.procsUnknown = true;
      gpu.err = complaint;
    }
    for (const line of rest) blamed(gpus, line).err ??= `nvidia-smi: ${line}`;
    return { gpus, system: cards.driver === undefined ? {} : { driverVersion: cards.driver } };
  }

  close(): void {
    for (const child of this.#running) end(child);
  }

  /** Asks for all columns, then without those that this version does not know. */
  async #gpus(limits: Limits): Promise<SmiTable> {
    for (;;) {
      const query = `--query-gpu=${["driver_version", ...this.#names].join(",")}`;
      const answer = await this.#run([query, "--format=csv,noheader,nounits"], limits);
      const unknown = /Field "([^"]+)" is not a valid field to query/.exec(answer.output + answer.last)?.[1];
      const known = this.#names.filter((name) => name !== unknown);
      if (unknown !== undefined && known.length < this.#names.length) {
        this.#names = known;
        continue;
      }
      const table = parseGpus(answer.output, this.#names);
      const rest = table.rest.filter((line) => !/^No devices were found/.test(line));
      const none = rest.length < table.rest.length;
      if (table.gpus.length === 0 && (!none || rest.length > 0)) {
        throw new Error(failure(none ? { ...answer, last: rest.at(-1) ?? "" } : answer));
      }
      return { ...table, rest };
    }
  }

  #run(args: readonly string[], { deadline, signal }: Limits): Promise<SmiExit> {
    return new Promise((resolve, reject) => {
      // A group of its own, so that what it may have started ends with it.
      const child = spawn(this.#program, args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
      this.#running.add(child);
      const pieces = { output: "", complaint: "" };
      const give = (error: Error): void => {
        done();
        if (this.#running.has(child)) this.#killed.add(child);
        end(child);
        reject(error);
      };
      const late = (): void => give(new Hung(`nvidia-smi did not answer within ${deadline / 1000} s`));
      const timer = setTimeout(late, deadline);
      signal.addEventListener("abort", late, { once: true });
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", late);
      };
      const hear = (kind: keyof typeof pieces) => (piece: Buffer) => {
        pieces[kind] += piece.toString();
        if (pieces[kind].length > mostOutput) give(new Error("nvidia-smi prints without end"));
      };
      child.stdout.on("data", hear("output"));
      child.stderr.on("data", hear("complaint"));
      const gone = (): void => {
        this.#running.delete(child);
        this.#killed.delete(child);
      };
      child.once("exit", gone);
      child.once("error", (error) => {
        gone();
        give(new Error(`nvidia-smi cannot be started: ${error.message}`));
      });
      child.once("close", (status) => {
        done();
        resolve({ status, output: pieces.output, last: lastLine(pieces.complaint) || lastLine(pieces.output) });
      });
    });
  }
}

/** The card whose place a complaint names; the first where it names none. `gpus` is not empty. */
function blamed(gpus: readonly NvmlGpu[], line: string): NvmlGpu {
  const text = line.toLowerCase();
  const [first = {}] = gpus;
  return gpus.find(({ pciBusId }) => pciBusId !== undefined && text.includes(pciBusId)) ?? first;
}

const lastLine = (text: string): string =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .at(-1) ?? "";

function failure({ status, last }: SmiExit): string {
  if (status === 0) return `nvidia-smi printed nothing that can be read${last === "" ? "" : `: ${last.slice(0, 200)}`}`;
  return `nvidia-smi: ${last === "" ? "failed" : last.slice(0, 200)} (status ${status})`;
}

/** Ends a process with all that it started, and forgets its pipes: something that holds them may live on in the kernel. */
function end(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  } catch {
    // Gone already.
  }
  child.stdout?.destroy();
  child.stderr?.destroy();
}
