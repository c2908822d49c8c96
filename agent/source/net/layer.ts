import type { Machine } from "../../machine/machine.ts";

const top = "/sys/class/net";

/**
 * Interfaces that carry no traffic of the machine's own, by name: loopback, and what containers, virtual machines and
 * tunnels add. Only used without sysfs.
 */
const added = new RegExp(
  "^(lo$|veth|docker|br-|virbr|vnet|tap|macvtap|cali|flannel|cni|cilium|lxc|lxdbr|weave|datapath|kube-|nodelocaldns" +
    "|podman|fwbr|fwpr|fwln|ifb|dummy|tunl|sit\\d|gre\\d|gretap|erspan|ip6tnl|ip6_vti|ip_vti|ip6gre|teql|nlmon" +
    "|vxlan|genev|ovs-|bonding_masters$)",
);

/** True if an interface is worth showing, by its name. */
export const usable = (nic: string): boolean => !added.test(nic);

/** The host's ends of cables to containers and virtual machines, of which there may be hundreds: nothing is ever below them. */
const ends = /^(veth|cali|vnet|tap|lxc|fwpr|fwln)/;

/** Lower interfaces of an interface that is shown. */
export interface Layer {
  /** Interfaces that are shown and through which its bytes pass, down to the hardware, in the order of the list. */
  readonly lower: readonly string[];
  /** Its speed is that of hardware; others answer what their driver was written to answer. */
  readonly real: boolean;
}

interface InterfaceEntry {
  /** Undefined without sysfs: in another namespace, or for a machine captured by an earlier version. */
  readonly hardware: boolean | undefined;
  readonly entries: readonly string[];
}

/** Documentation/ABI/testing/sysfs-class-net: where the link leads. Xen's ends of its guests' cables are called vif-<guest>-<number>. */
const isHardware = (link: string): boolean => !/\/devices\/(virtual\/|vif-\d+-\d+\/)/.test(link);

function see(machine: Machine, nic: string): InterfaceEntry {
  const link = machine.link(`${top}/${nic}`);
  const hardware = link === undefined ? undefined : isHardware(link);
  const leaf = nic === "lo" || (hardware !== true && ends.test(nic));
  return { hardware, entries: leaf ? [] : machine.list(`${top}/${nic}`) };
}

/** Interfaces directly below each: lower_<name> in the upper one's folder, or the link `master` in the lower one's. */
function below(machine: Machine, seen: ReadonlyMap<string, InterfaceEntry>): Map<string, Set<string>> {
  const found = new Map([...seen.keys()].map((nic) => [nic, new Set<string>()]));
  for (const [nic, { entries }] of seen) {
    for (const entry of entries) if (entry.startsWith("lower_")) found.get(nic)?.add(entry.slice("lower_".length));
    const master = entries.includes("master") ? machine.link(`${top}/${nic}/master`) : undefined;
    if (master !== undefined) found.get(master.slice(master.lastIndexOf("/") + 1))?.add(nic);
  }
  return found;
}

/** All interfaces below one, however many layers of them. */
function reach(nic: string, direct: ReadonlyMap<string, ReadonlySet<string>>): Set<string> {
  const reached = new Set<string>();
  const open = [nic];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const next of direct.get(at) ?? []) {
      if (next === nic || reached.has(next) || !direct.has(next)) continue;
      reached.add(next);
      open.push(next);
    }
  }
  return reached;
}

/** A port of a card's own switch, at whose other end is a virtual machine or a container (devlink's names of ports). */
const isPort = (machine: Machine, nic: string): boolean =>
  /^(c\d+)?pf\d+(vf|sf)\d+$/.test(machine.read(`${top}/${nic}/phys_port_name`)?.trim() ?? "");

const kindOf = (machine: Machine, nic: string): string | undefined =>
  /^DEVTYPE=(.+)$/m.exec(machine.read(`${top}/${nic}/uevent`) ?? "")?.[1]?.trim();

/** IFF_TUN of include/uapi/linux/if_tun.h: it carries packets of addresses, where IFF_TAP is a virtual machine's cable. */
const isTun = (machine: Machine, nic: string): boolean =>
  (Number(machine.read(`${top}/${nic}/tun_flags`)?.trim() ?? 0) & 1) === 1;

/** Networks of containers that are laid over the hardware's. */
const overlays: ReadonlySet<string | undefined> = new Set(["vxlan", "geneve"]);
/** Ways into other networks that people set up. */
const tunnels: ReadonlySet<string | undefined> = new Set(["wireguard", "ppp"]);

/** Interfaces with addresses, and that of the default route. */
export interface Uses {
  /** Interface of the default route. */
  readonly route: string | undefined;
  /** Interfaces that have an address. */
  readonly addressed: ReadonlySet<string>;
}

/**
 * The interfaces to show, and what each stands on: hardware, what stands on hardware (bonds, VLANs, bridges), people's
 * tunnels, and the one that the default route goes through. A machine that shows no hardware at all is a container, or one
 * written down before; there, names are all there is to go by.
 * @param nics In the order of /proc/net/dev.
 */
export function layers(machine: Machine, nics: readonly string[], { route, addressed }: Uses): Map<string, Layer> {
  const seen = new Map(nics.map((nic) => [nic, see(machine, nic)]));
  const direct = below(machine, seen);
  const hardware = new Set(nics.filter((nic) => seen.get(nic)?.hardware === true && !isPort(machine, nic)));
  const solid = (nic: string): boolean => [...reach(nic, direct)].some((each) => hardware.has(each));
  const shown = nics.filter((nic) => {
    if (hardware.has(nic)) return true;
    const { hardware: known, entries = [] } = seen.get(nic) ?? {};
    // A virtual machine's cable that is plugged into the hardware itself.
    if (entries.includes("macvtap") || entries.includes("ipvtap")) return false;
    if (hardware.size === 0 || known === undefined) return usable(nic);
    if (known || nic === "lo") return false;
    if (nic === route) return true;
    if (solid(nic)) return !overlays.has(kindOf(machine, nic));
    // ZeroTier and some OpenVPN have a cable, too; a virtual machine's has no address, or is plugged into a bridge.
    const cable = addressed.has(nic) && !entries.includes("master");
    if (!usable(nic)) return false;
    return entries.includes("tun_flags") ? isTun(machine, nic) || cable : tunnels.has(kindOf(machine, nic));
  });
  const stand = (nic: string): Layer => {
    const reached = reach(nic, direct);
    const real = hardware.has(nic) || solid(nic) || seen.get(nic)?.hardware === undefined;
    // What a tunnel carries passes through one of the cards, whichever the routes say.
    const lower = shown.filter((each) => reached.has(each) || (!real && hardware.has(each)));
    return { lower, real };
  };
  return new Map(shown.map((nic) => [nic, stand(nic)]));
}

/** Milliseconds for which layers are cached while the list, the route and the addresses stay the same. */
const lasting = 15_000;

/** Caches the layers until the interfaces, addresses or routes change, or for a while. */
export class Layers {
  readonly #machine: Machine;
  #key = "";
  #until = Number.NEGATIVE_INFINITY;
  #layers: ReadonlyMap<string, Layer> = new Map();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** As layers(). */
  look(nics: readonly string[], uses: Uses): ReadonlyMap<string, Layer> {
    const key = [...nics, "", uses.route ?? "", "", ...uses.addressed].join(" ");
    const ticks = this.#machine.ticks();
    if (key !== this.#key || ticks >= this.#until) {
      this.#layers = layers(this.#machine, nics, uses);
      this.#key = key;
      this.#until = ticks + lasting;
    }
    return this.#layers;
  }
}
