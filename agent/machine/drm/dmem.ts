import { whole } from "../../number.ts";
import type { Machine } from "../machine.ts";

const top = "/sys/fs/cgroup";

/** Parses bytes by region; "max" and anything that is not a number are left out. */
function parse(text: string | undefined): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of text?.split("\n") ?? []) {
    const [name, digits, rest] = line.split(" ");
    const bytes = rest === undefined ? whole(digits) : undefined;
    if (name && bytes !== undefined && bytes >= 0) found.set(name, bytes);
  }
  return found;
}

/**
 * Device memory as the kernel's own accounting of it tells (the dmem controller, since 6.14): what the driver may give
 * out, and what all programs together have of it. Only the topmost cgroup tells the first, so that a container that sees
 * but its own finds nothing here (Documentation/admin-guide/cgroup-v2.rst, "DMEM").
 */
export function deviceMemory(machine: Machine, pci: string): { total: number; used: number } | undefined {
  // "drm/0000:03:00.0/vram0 12550407168"; a card of two tiles has vram1 too.
  const own = (file: string): Map<string, number> =>
    new Map([...parse(machine.read(`${top}/${file}`))].filter(([name]) => isVram(name, pci)));
  const capacity = own("dmem.capacity");
  if (capacity.size === 0) return undefined;
  const current = own("dmem.current");
  let total = 0;
  let used = 0;
  for (const [name, bytes] of capacity) {
    const now = current.get(name);
    if (now === undefined || now > bytes) return undefined;
    total += bytes;
    used += now;
  }
  return total > 0 ? { total, used } : undefined;
}

function isVram(name: string, pci: string): boolean {
  const prefix = `drm/${pci}/vram`;
  return name.startsWith(prefix) && /^\d*$/.test(name.slice(prefix.length));
}
