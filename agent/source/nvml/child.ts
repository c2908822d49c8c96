import type { NvmlClock } from "./card.ts";
import { loadLibrary } from "./koffi.ts";
import { code, Nvml, NvmlError, type Tap } from "./library.ts";
import type { ReaderAnswer, ReaderRequest } from "./message.ts";
import { GpuReader } from "./reader.ts";

const never = new Int32Array(new SharedArrayBuffer(4));

const clock: NvmlClock = {
  now: () => Date.now(),
  ticks: () => performance.now(),
  wait: (ms) => void Atomics.wait(never, 0, 0, ms),
};

/**
 * The process that holds NVML: answers the parent's requests until the parent is gone. Main.ts runs it for the hidden
 * command, and should load nothing else for it, since every loaded module is memory in a process that stays.
 */
export function runNvmlReader(): void {
  if (process.send === undefined) throw new Error("nvml-reader is started by the agent, not by hand");
  let reader: GpuReader | undefined;
  process.on("message", (request: ReaderRequest) => {
    const answer = guarded(() => {
      switch (request.kind) {
        case "open":
          reader = new GpuReader(openLibrary(request.libraries), clock);
          return { kind: "opened" };
        case "read":
          if (reader === undefined) throw new Error("NVML was not opened");
          return { kind: "reading", reading: reader.read() };
        case "record":
          return { kind: "recording", text: recording(request.libraries) };
        default:
          return request satisfies never;
      }
    });
    process.send?.(answer);
  });
  process.on("disconnect", () => process.exit(0));
  dieWithParent();
}

function guarded(act: () => ReaderAnswer): ReaderAnswer {
  try {
    return act();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const lack = error instanceof NvmlError ? error.code : undefined;
    const lacks = lack === code.driverNotLoaded ? "driver" : lack === code.libraryNotFound ? "library" : undefined;
    return { kind: "failed", message, lacks };
  }
}

/** The first of the libraries that can be loaded. */
function openLibrary(paths: readonly string[], tap?: Tap): Nvml {
  const failures: string[] = [];
  for (const path of paths) {
    try {
      return new Nvml(loadLibrary(path), tap);
    } catch (error) {
      failures.push(`${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new NvmlError(`Shared Library Not Found: ${failures.join("; ")}`, code.libraryNotFound);
}

/** One read with every call written down. */
function recording(paths: readonly string[]): string {
  const lines = new Map<string, string>();
  const write = (line: string): void => {
    const end = line.indexOf(" : ");
    const [call, answer] = [line.slice(0, end), line.slice(end + 3)];
    const before = lines.get(call);
    lines.set(call, before === undefined ? answer : grown(before, answer));
  };
  const reader = new GpuReader(openLibrary(paths, write), clock);
  reader.read();
  return `${[...lines].map(([call, answer]) => `${call} : ${answer}`).join("\n")}\n`;
}

/** A value that was asked for twice in one read is a count: "0 3 1000+50" is 1000, and 50 more each time it is asked for. */
function grown(before: string, after: string): string {
  const [, head = "", from = ""] = /^(0 \d+ )(\d+)$/.exec(before) ?? [];
  const [, to = ""] = after.startsWith(head) ? (/^0 \d+ (\d+)$/.exec(after) ?? []) : [];
  const more = from === "" || to === "" ? 0n : BigInt(to) - BigInt(from);
  return more > 0n ? `${before}+${more}` : before;
}

const setParentDeathSignal = 1;
const sigkill = 9;

/** A process inside a hung driver call does not see its parent go: the kernel ends it (PR_SET_PDEATHSIG of prctl(2)). */
function dieWithParent(): void {
  if (process.platform !== "linux") return;
  try {
    const prctl = loadLibrary(null).find("prctl", ["uint32", "uint64", "uint64", "uint64", "uint64"]);
    prctl?.(setParentDeathSignal, sigkill, 0, 0, 0);
  } catch {
    // Where nothing can be loaded, nothing can hang either; the request to open says what is wrong.
  }
}
