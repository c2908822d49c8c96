import { join } from "node:path";
import { bases, extract, extractNameless, places } from "./extract.ts";
import { natives, tree } from "./native.ts";

/**
 * How an argument is handed over: a 32-bit number, a 64-bit number (also an opaque handle), or the address of a Buffer
 * (null allowed). Buffers must be kept alive by the caller for the time of the call.
 */
export type Argument = "uint32" | "uint64" | "pointer";

/** A C function that returns an int. */
export type Foreign = (...args: (number | bigint | Buffer | null)[]) => number;

/** A shared library that stays loaded until the process ends: calling into one that was unloaded crashes. */
export interface SharedLibrary {
  /** Undefined when the library lacks the symbol. */
  find(symbol: string, args: readonly Argument[]): Foreign | undefined;
  /** The same for a function that returns a C string. */
  findText(symbol: string, args: readonly Argument[]): ((...args: number[]) => string | null) | undefined;
}

/** The part of koffi's native exports in use here; its own loader does not survive bundling, and adds nothing. */
interface Koffi {
  load(path: string | null): { func(symbol: string, result: string, args: string[]): (...args: unknown[]) => unknown };
}

const types: Readonly<Record<Argument, string>> = { uint32: "uint32_t", uint64: "uint64_t", pointer: "void *" };

let loaded: Koffi | undefined;

function koffi(): Koffi {
  loaded ??= tree === undefined ? unpacked() : native(installed(tree));
  return loaded;
}

function installed(top: string): string {
  const platform = `linux-${process.arch}`;
  return join(top, "node_modules", "@koromix", `koffi-${platform}`, `linux_${process.arch}`, "koffi.node");
}

/**
 * The bundle's copy is written out first; where the mount forbids execution, the next place is tried. Where no folder can be
 * our own, a file without a name will do.
 */
function unpacked(): Koffi {
  const platform = `${process.platform}-${process.arch}`;
  const part = natives()?.[platform];
  if (part === undefined) throw new Error(`this build reads no NVIDIA GPUs on ${platform}`);
  const failures: string[] = [];
  const attempts = [
    ...places(process.env).map((place) => () => native(extract(part, place))),
    ...bases(process.env).map((base) => () => extractNameless(part, base, native)),
  ];
  for (const attempt of attempts) {
    try {
      return attempt();
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(`koffi's native part could not be written anywhere and loaded: ${failures.join("; ")}`);
}

function native(file: string): Koffi {
  const module = { exports: {} };
  process.dlopen(module, file);
  return module.exports as Koffi;
}

/**
 * @param path File, or a name for the system's own search; null is this process itself.
 * @throws Error with the loader's own text.
 */
export function loadLibrary(path: string | null): SharedLibrary {
  const library = koffi().load(path);
  const find = (symbol: string, result: string, args: readonly Argument[]): unknown => {
    try {
      return library.func(
        symbol,
        result,
        args.map((arg) => types[arg]),
      );
    } catch {
      // Thrown for a missing symbol only, which is an answer here.
      return undefined;
    }
  };
  return {
    find: (symbol, args) => find(symbol, "int", args) as Foreign | undefined,
    findText: (symbol, args) => find(symbol, "str", args) as ((...args: number[]) => string | null) | undefined,
  };
}
