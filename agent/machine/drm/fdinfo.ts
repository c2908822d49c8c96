import { within } from "../../number.ts";

/** Work of one kind of engine: nanoseconds busy, or (xe) cycles busy and cycles passed. */
export interface EngineUsage {
  readonly busy: number;
  /** Cycles passed; undefined when `busy` counts nanoseconds. */
  readonly total?: number;
  /** Engines of this kind. */
  readonly capacity: number;
}

/** Usage statistics of one open device file (Documentation/gpu/drm-usage-stats.rst). */
export interface FdInfo {
  readonly driver: string;
  /** PCI address of the card; undefined on kernels that do not say. */
  readonly pci: string | undefined;
  /** Differs for each opening; the same for descriptors that were inherited or passed on. */
  readonly client: string;
  /** Bytes by kind of memory ("vram", "gtt", "local0", "system0"). */
  readonly memory: ReadonlyMap<string, number>;
  readonly engines: ReadonlyMap<string, EngineUsage>;
}

const units: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** A count with its unit as bytes; undefined for anything else. */
function bytes(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,19})(?:\s+([KMG]iB))?$/.exec(text) ?? [];
  const amount = digits === undefined ? undefined : Number(digits) * (unit === undefined ? 1 : (units[unit] ?? 1));
  return within(amount, 0, Number.MAX_SAFE_INTEGER);
}

/** Nanoseconds or cycles: those of many engines pass 2^53 in months, so that only their differences are exact enough. */
function counter(text: string | undefined): number | undefined {
  const digits = /^(\d{1,19})(?:\s+ns)?$/.exec(text ?? "")?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function lines(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0 && line.startsWith("drm-")) found.set(line.slice(4, colon), line.slice(colon + 1).trim());
  }
  return found;
}

/** What buffers take up where they lie. "memory" is the older name of "resident"; amdgpu writes both. */
function memories(fields: ReadonlyMap<string, string>): Map<string, number> {
  const found = new Map<string, number>();
  for (const prefix of ["memory-", "resident-"]) {
    for (const [key, text] of fields) {
      const value = key.startsWith(prefix) ? bytes(text) : undefined;
      if (value !== undefined) found.set(key.slice(prefix.length), value);
    }
  }
  return found;
}

function engines(fields: ReadonlyMap<string, string>): Map<string, EngineUsage> {
  const found = new Map<string, EngineUsage>();
  for (const [key, text] of fields) {
    const [, kind, name] = /^(engine|cycles)-(?!capacity-)(.+)$/.exec(key) ?? [];
    const busy = counter(text);
    if (name === undefined || busy === undefined) continue;
    // A driver that has both counts nanoseconds exactly; cycles depend on the clock.
    if (kind === "cycles" && fields.has(`engine-${name}`)) continue;
    const total = kind === "cycles" ? counter(fields.get(`total-cycles-${name}`)) : undefined;
    if (kind === "cycles" && total === undefined) continue;
    const capacity = counter(fields.get(`engine-capacity-${name}`)) || 1;
    found.set(name, { busy, capacity, ...(total !== undefined && { total }) });
  }
  return found;
}

/** Parses /proc/PID/fdinfo/FD; undefined for files other than graphics devices. Never throws. */
export function parseFdInfo(text: string): FdInfo | undefined {
  const fields = lines(text);
  const driver = fields.get("driver");
  const client = fields.get("client-id");
  if (!driver || !client) return undefined;
  const pci = fields.get("pdev")?.toLowerCase() || undefined;
  return { driver, client, pci, memory: memories(fields), engines: engines(fields) };
}

/**
 * Percent of the time between two readings that each kind of engine worked, 0 to 100. A counter that went back is to
 * be taken as standing still, the kernel's documentation says.
 * @param span Milliseconds between them.
 */
export function busyShares(from: FdInfo, to: FdInfo, span: number): Map<string, number> {
  const shares = new Map<string, number>();
  for (const [name, now] of to.engines) {
    const then = from.engines.get(name);
    // An engine missing from the earlier reading had done nothing: amdgpu leaves those out.
    const passed = now.total === undefined ? span * 1e6 : now.total - (then?.total ?? now.total);
    if (!(passed > 0)) continue;
    const worked = Math.max(0, now.busy - (then?.busy ?? 0));
    shares.set(name, Math.min(100, (worked / passed / now.capacity) * 100));
  }
  return shares;
}
