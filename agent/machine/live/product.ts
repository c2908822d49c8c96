import type { PciIdentity } from "../machine.ts";

/** Lists of AMD's product names, from libdrm and ROCm; models of one chip differ by revision. */
const amdFiles = ["/usr/share/libdrm/amdgpu.ids", "/opt/amdgpu/share/libdrm/amdgpu.ids"];
const pciFiles = ["/usr/share/hwdata/pci.ids", "/usr/share/misc/pci.ids", "/var/lib/pciutils/pci.ids"];

const makers: Readonly<Record<string, string>> = { "1002": "AMD", "8086": "Intel" };

/** Name in amdgpu.ids, whose lines are "744C,	C8,	AMD Radeon RX 7900 XTX". */
export function amdName(text: string, { device, revision }: PciIdentity): string | undefined {
  for (const line of text.split("\n")) {
    const [id, rev, ...name] = line.split(",");
    if (Number.parseInt(id ?? "", 16) !== Number.parseInt(device, 16)) continue;
    if (Number.parseInt(rev ?? "", 16) === Number.parseInt(revision, 16)) return name.join(",").trim() || undefined;
  }
  return undefined;
}

/** Name in pci.ids: a line of the vendor, below it one of the device, "	46a6  Alder Lake-P GT2 [Iris Xe Graphics]". */
export function pciName(text: string, { vendor, device }: PciIdentity): string | undefined {
  const start = `\n${text}`.indexOf(`\n${vendor}  `);
  if (start < 0) return undefined;
  const rest = text.slice(start);
  // The next line without indentation, other than a comment, begins another vendor.
  const end = rest.slice(1).search(/\n[^\t\n#]/);
  const block = end < 0 ? rest : rest.slice(0, end + 1);
  const name = new RegExp(`\\n\\t${device} {2}(.+)`).exec(block)?.[1]?.trim();
  if (name === undefined) return undefined;
  // The product name is in brackets, after the chip's.
  const sold = /\[(.+)\]$/.exec(name)?.[1] ?? name;
  const maker = makers[vendor] ?? "";
  return sold.startsWith(maker) ? sold : `${maker} ${sold}`;
}

/** Milliseconds until a name that was not found is searched again: a list may be installed or updated meanwhile. */
const missed = 600_000;

/**
 * Names of chips by the lists on this machine. What was found is not asked for again: the lists are long, their names few.
 * @param ticks Milliseconds, monotonic.
 */
export function productNames(
  read: (path: string) => string | undefined,
  ticks: () => number = () => performance.now(),
): (chip: PciIdentity) => string | undefined {
  const known = new Map<string, { readonly name: string | undefined; readonly at: number }>();
  const look = (chip: PciIdentity): string | undefined => {
    const amd = chip.vendor === "1002" ? first(amdFiles, read, (text) => amdName(text, chip)) : undefined;
    return amd ?? first(pciFiles, read, (text) => pciName(text, chip));
  };
  return (chip) => {
    const key = `${chip.vendor}:${chip.device}:${chip.revision}`;
    const cached = known.get(key);
    if (cached !== undefined && (cached.name !== undefined || ticks() - cached.at < missed)) return cached.name;
    const name = look(chip);
    known.set(key, { name, at: ticks() });
    return name;
  };
}

function first(
  files: readonly string[],
  read: (path: string) => string | undefined,
  find: (text: string) => string | undefined,
): string | undefined {
  for (const file of files) {
    const text = read(file);
    const name = text === undefined ? undefined : find(text);
    if (name !== undefined) return name;
  }
  return undefined;
}
