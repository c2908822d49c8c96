import { State } from "../../proto/gen/host_pb.js";
import type { Machine, Space } from "../machine/machine.ts";
import { amount, given } from "../number.ts";
import { isFull, type Mount, parse, parseTypes } from "./disk/mounts.ts";
import type { Source, SourcePart } from "./source.ts";

type Row = NonNullable<SourcePart["disks"]>[number];

function row({ device, mount, fstype, readOnly }: Mount, rest: Row): Row {
  return { device, mount, fstype, readOnly, ...rest };
}

/** Converts a space to the fields of a disk. Stores without a size answer with the largest number: such values are left out. */
function measured({ size, free, available }: Space, now: number): Row {
  const total = amount(size);
  const known = total !== undefined && free >= 0 && free <= size;
  const writable = available <= size ? amount(available) : undefined;
  return {
    ...(known && { used: BigInt(Math.round(size - free)), total, ...given("available", writable) }),
    state: State.OK,
    sampled: BigInt(now),
  };
}

/** The kernel's words, and those of stat, which is asked in English. */
const refusal = /EACCES|EPERM|Permission denied|Operation not permitted/;

async function ask(machine: Machine, mount: Mount, deadline: number): Promise<Row | undefined> {
  try {
    const space = await machine.space(mount.mount, { network: mount.network, deadline });
    // Automount points and some pools answer with no size at all: there is nothing to show.
    if (space.size <= 0 || isFull(mount, space.free)) return undefined;
    return row(mount, measured(space, machine.now()));
  } catch (error) {
    const late = error instanceof Error && error.name === "SpaceTimeout";
    // Mounts that only root may enter refuse an agent without rights, and FUSE all but the user who mounted. That is no
    // failure of theirs; one that hangs or fails must be seen.
    if (!late && (refusal.test(String(error)) || (!mount.network && /ENOENT/.test(String(error))))) return undefined;
    return row(mount, { state: late ? State.HUNG : State.STALE });
  }
}

/** Most disks in an answer: storage servers have thousands of datasets, and a hub's messages are limited. */
const most = 500;

/** Below a prefix, /proc/self would be this container's; the first process has the host's. */
function listOf(machine: Machine): string | undefined {
  const host = machine.root === "/" ? [] : ["/proc/1/mountinfo", "/proc/1/mounts"];
  for (const path of [...host, "/proc/self/mountinfo", "/proc/mounts"]) {
    const text = machine.read(path);
    if (text !== undefined) return text;
  }
  return undefined;
}

/** Lists of mounts hardly ever change, and to take one apart costs more than to read it. */
function remembered(take: (list: string, types: string) => Mount[]): (list: string, types: string) => Mount[] {
  let last: { readonly list: string; readonly types: string; readonly mounts: Mount[] } | undefined;
  return (list, types) => {
    if (last?.list !== list || last.types !== types) last = { list, types, mounts: take(list, types) };
    return last.mounts;
  };
}

export const disk: Source = {
  name: "disk",
  async open(machine, { deadline, log }) {
    if (listOf(machine) === undefined) return undefined;
    // Less than the reader's own, so that one mount that hangs does not take the others along.
    const each = Math.min(2000, deadline * 0.6);
    let said = false;
    const mountsOf = remembered((list, types) => parse(list, parseTypes(types)));
    return {
      async read() {
        const mounts = mountsOf(listOf(machine) ?? "", machine.read("/proc/filesystems") ?? "");
        if (mounts.length > most && !said) {
          log.warn(`disk: ${mounts.length} filesystems are mounted, only the first ${most} are shown`);
        }
        said = mounts.length > most;
        const rows = await Promise.all(mounts.slice(0, most).map((mount) => ask(machine, mount, each)));
        return { disks: rows.filter((found) => found !== undefined) };
      },
      async close() {},
    };
  },
};
