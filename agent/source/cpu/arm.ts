/** Makers by "CPU implementer", bits 31 to 24 of MIDR_EL1 (Arm Architecture Reference Manual; arch/arm64/include/asm/cputype.h). */
const makers: Readonly<Record<string, string>> = {
  "0x41": "Arm",
  "0x42": "Broadcom",
  "0x43": "Cavium",
  "0x46": "Fujitsu",
  "0x48": "HiSilicon",
  "0x4e": "NVIDIA",
  "0x50": "APM",
  "0x51": "Qualcomm",
  "0x53": "Samsung",
  "0x56": "Marvell",
  "0x61": "Apple",
  "0x69": "Intel",
  "0x6d": "Microsoft",
  "0x70": "Phytium",
  "0xc0": "Ampere",
};

/** Cores by implementer and "CPU part", as their makers' technical reference manuals and the kernel's cputype.h number them. */
const parts: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "0x41": {
    "0xd02": "Cortex-A34",
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd06": "Cortex-A65",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse N1",
    "0xd0d": "Cortex-A77",
    "0xd0e": "Cortex-A76AE",
    "0xd40": "Neoverse V1",
    "0xd41": "Cortex-A78",
    "0xd42": "Cortex-A78AE",
    "0xd44": "Cortex-X1",
    "0xd46": "Cortex-A510",
    "0xd47": "Cortex-A710",
    "0xd48": "Cortex-X2",
    "0xd49": "Neoverse N2",
    "0xd4a": "Neoverse E1",
    "0xd4b": "Cortex-A78C",
    "0xd4c": "Cortex-X1C",
    "0xd4d": "Cortex-A715",
    "0xd4e": "Cortex-X3",
    "0xd4f": "Neoverse V2",
    "0xd80": "Cortex-A520",
    "0xd81": "Cortex-A720",
    "0xd82": "Cortex-X4",
    "0xd83": "Neoverse V3AE",
    "0xd84": "Neoverse V3",
    "0xd85": "Cortex-X925",
    "0xd87": "Cortex-A725",
    "0xd89": "Cortex-A720AE",
    "0xd8e": "Neoverse N3",
  },
  "0x43": { "0x0a1": "ThunderX", "0x0af": "ThunderX2", "0x0b8": "ThunderX3" },
  "0x46": { "0x001": "A64FX" },
  "0x48": { "0xd01": "TSV110", "0xd02": "HIP09" },
  "0x4e": { "0x003": "Denver 2", "0x004": "Carmel", "0x010": "Olympus" },
  "0x50": { "0x000": "X-Gene" },
  "0x51": { "0x001": "Oryon", "0xc00": "Falkor", "0xc01": "Saphira" },
  "0x6d": { "0xd49": "Azure Cobalt 100" },
  "0x70": {
    "0x303": "FTC310",
    "0x660": "FTC660",
    "0x661": "FTC661",
    "0x662": "FTC662",
    "0x663": "FTC663",
    "0x664": "FTC664",
    "0x862": "FTC862",
  },
  "0xc0": { "0xac3": "Ampere-1", "0xac4": "Ampere-1a", "0xac5": "Ampere-1b" },
};

/** Cores of one maker, which /proc/cpuinfo lists by number only. */
interface Cores {
  readonly maker: string;
  readonly names: Set<string>;
}

/**
 * Names of the cores that a text of /proc/cpuinfo numbers, "Arm Cortex-X925 + Cortex-A725", in the order in which they
 * are first listed. A part without a name goes by its number, a maker without one too.
 * @returns Undefined where the text has no such numbers. `known` is false where no part has a name.
 */
export function armCores(text: string): { readonly name: string; readonly known: boolean } | undefined {
  const found = new Map<string, Cores>();
  let known = false;
  for (const block of text.split("\n\n")) {
    const implementer = /^CPU implementer\s*:\s*(0x[0-9a-f]+)/im.exec(block)?.[1]?.toLowerCase();
    const part = /^CPU part\s*:\s*(0x[0-9a-f]+)/im.exec(block)?.[1]?.toLowerCase();
    if (implementer === undefined || part === undefined) continue;
    const name = parts[implementer]?.[part];
    known ||= name !== undefined;
    const cores = found.get(implementer) ?? {
      maker: makers[implementer] ?? `CPU maker ${implementer}`,
      names: new Set(),
    };
    cores.names.add(name ?? part);
    found.set(implementer, cores);
  }
  if (found.size === 0) return undefined;
  return { name: [...found.values()].map(({ maker, names }) => namesOf(maker, names)).join(" + "), known };
}

/** Some names begin with their maker's already. */
const namesOf = (maker: string, names: ReadonlySet<string>): string =>
  [...names].map((name, i) => (i > 0 || name.startsWith(maker) ? name : `${maker} ${name}`)).join(" + ");
