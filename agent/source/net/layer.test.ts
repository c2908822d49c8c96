import fc from "fast-check";
import { expect, test } from "vitest";
import { machineOf } from "../../../test/machine.ts";
import type { Machine } from "../../machine/machine.ts";
import { Layers, layers } from "./layer.ts";

interface Nic {
  /** Below devices/virtual. */
  readonly virtual?: boolean;
  /** Where else than on the bus it is. */
  readonly place?: string;
  readonly lower?: readonly string[];
  readonly master?: string;
  readonly folders?: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
}

/** sysfs as the kernel makes it for these interfaces. */
function sysfs(nics: Readonly<Record<string, Nic>>, root = "/") {
  const top = "/sys/class/net";
  const links: Record<string, string> = {};
  const lists: Record<string, string[]> = {};
  const files: Record<string, string> = {};
  for (const [name, { virtual, place, lower = [], master, folders = [], files: own = {} }] of Object.entries(nics)) {
    const where = virtual ? "virtual" : (place ?? "pci0000:00/0000:00:05.0");
    links[`${top}/${name}`] = `../../devices/${where}/net/${name}`;
    if (master !== undefined) links[`${top}/${name}/master`] = `../../../virtual/net/${master}`;
    const names = [...lower.map((each) => `lower_${each}`), ...folders, ...Object.keys(own)];
    lists[`${top}/${name}`] = ["ifindex", "mtu", ...names, ...(master === undefined ? [] : ["master"])];
    for (const [file, text] of Object.entries(own)) files[`${top}/${name}/${file}`] = `${text}\n`;
  }
  return machineOf({ root, files, lists, link: (path) => links[path] });
}

/** What is shown, and of each the interfaces that it stands on. */
function told(
  nics: Readonly<Record<string, Nic>>,
  route?: string,
  addressed: readonly string[] = [],
): Record<string, readonly string[]> {
  const all = ["lo", ...Object.keys(nics)];
  const found = layers(sysfs({ lo: { virtual: true }, ...nics }), all, { route, addressed: new Set(addressed) });
  return Object.fromEntries([...found].map(([name, { lower }]) => [name, lower]));
}

test("a card that joins a bond is found within 15 s, or at once where addresses or the list change with it", () => {
  let ticks = 0;
  let bound = false;
  const of = (): Machine =>
    sysfs({ eth0: bound ? { master: "bond0" } : {}, bond0: { virtual: true, lower: bound ? ["eth0"] : [] } });
  const now = machineOf({
    link: (path) => of().link(path),
    list: (path) => of().list(path),
    ticks: () => ticks,
  });
  const all = new Layers(now);
  const look = (...addressed: string[]) =>
    all.look(["eth0", "bond0"], { route: "bond0", addressed: new Set(addressed) }).get("bond0")?.lower;
  const before = look("bond0");
  bound = true;
  ticks = 14_999;
  expect(look("bond0")).toBe(before);
  ticks = 15_000;
  expect(look("bond0")).toEqual(["eth0"]);
  bound = false;
  expect(look("bond0", "eth0")).toEqual(before);
});

const unused = { route: undefined, addressed: new Set<string>() };

const v = (lower: readonly string[], more: Nic = {}): Nic => ({ virtual: true, lower, ...more });

test("of a bond with a VLAN, bridge and macvlan on it, the cards alone stand on nothing", () => {
  const nics = {
    eth0: {},
    eth1: {},
    bond0: v(["eth0", "eth1"]),
    "bond0.100": v(["bond0"]),
    br0: v(["bond0.100"]),
    mac0: v(["br0"]),
  };
  const cards = ["eth0", "eth1"];
  expect(told(nics)).toEqual({
    eth0: [],
    eth1: [],
    bond0: cards,
    "bond0.100": [...cards, "bond0"],
    br0: [...cards, "bond0", "bond0.100"],
    mac0: [...cards, "bond0", "bond0.100", "br0"],
  });
});

test("where only the lower interface tells of the upper one, by its master, that is enough", () => {
  expect(told({ eth0: { master: "team0" }, team0: v([]) })).toEqual({ eth0: [], team0: ["eth0"] });
});

test("the fast path of a cloud's card is what its own interface stands on", () => {
  const nics = { eth0: { place: "LNXSYSTM:00/VMBUS:00/x", lower: ["enP1s1"] }, enP1s1: { master: "eth0" } };
  expect(told(nics)).toEqual({ eth0: ["enP1s1"], enP1s1: [] });
});

test.each([
  ["pods' cables of Calico, AWS and Azure", { cali1: v([]), eni0a1b: v([]), azv012: v([]) }],
  ["a bridge of containers", { docker0: v(["veth1"]), veth1: v([], { master: "docker0" }), cni0: v([]) }],
  ["a virtual machine's tap", { kvm0: v([], { files: { tun_flags: "0x1002" } }) }],
  ["a virtual machine's cable plugged into the card", { mv0: v(["eth0"], { folders: ["macvtap"] }) }],
  ["containers' networks over the card's", { ovl: v(["eth0"], { files: { uevent: "INTERFACE=ovl\nDEVTYPE=vxlan" } }) }],
  ["a guest's end in Xen", { "vif1.0": { place: "vif-1-0" } }],
  ["a port of the card's own switch", { rep0: { files: { phys_port_name: "pf0vf3" } } }],
  ["dummies and queues", { dummy7: v([]), ifb0: v([]), nlmon0: v([]), sit0: v([]) }],
] as const)("not shown: %s", (_, nics) => {
  expect(told({ eth0: {}, ...nics })).toEqual({ eth0: [] });
});

test.each([
  ["a card's port", { p0: { files: { phys_port_name: "p0" } } }, { p0: [] }],
  ["a guest's own card in Xen", { eth1: { place: "vif-0" } }, { eth1: [] }],
  ["a bridge with a card in it, whatever it is called", { "br-lan": v(["eth0", "veth3"]) }, { "br-lan": ["eth0"] }],
  [
    "people's tunnels, which pass through a card",
    { tun0: v([], { files: { tun_flags: "0x1001" } }) },
    { tun0: ["eth0"] },
  ],
  ["WireGuard", { wg0: v([], { files: { uevent: "DEVTYPE=wireguard" } }) }, { wg0: ["eth0"] }],
] as const)("shown: %s", (_, nics, shown) => {
  expect(told({ eth0: {}, ...nics })).toEqual({ eth0: [], ...shown });
});

test("a tunnel that has a cable is shown by its address, a virtual machine's is not", () => {
  const tap = { files: { tun_flags: "0x1002" } };
  const nics = {
    eth0: {},
    zt7: v([], tap),
    kvm0: v([], tap),
    kvm1: v([], { ...tap, master: "virbr0" }),
    tap5: v([], tap),
  };
  expect(told(nics, undefined, ["eth0", "zt7", "kvm1", "tap5"])).toEqual({ eth0: [], zt7: ["eth0"] });
});

test("what the default route goes through is shown, whatever it is", () => {
  expect(told({ eth0: {}, "br-ex": v([]) }, "br-ex")).toEqual({ eth0: [], "br-ex": ["eth0"] });
});

test("a container, which shows no hardware, has what its names tell, and a VLAN stands on its interface", () => {
  const nics = { eth0: v([]), "eth0.7": v(["eth0"]), docker0: v([]), tunl0: v([]) };
  expect(told(nics, "eth0")).toEqual({ eth0: [], "eth0.7": ["eth0"] });
});

test("interfaces that sysfs does not know go by their names", () => {
  const found = layers(sysfs({ eth0: {} }), ["lo", "eth0", "bond7", "veth9"], unused);
  expect([...found.keys()]).toEqual(["eth0", "bond7"]);
});

test("only speeds that hardware has are speeds", () => {
  const machine = sysfs({ eth0: {}, br0: v(["eth0"]), tun0: v([], { files: { tun_flags: "0x1001" } }) });
  const real = [...layers(machine, ["eth0", "br0", "tun0", "old0"], unused)].map(([name, layer]) => [name, layer.real]);
  expect(Object.fromEntries(real)).toEqual({ eth0: true, br0: true, tun0: false, old0: true });
});

test("whatever stands on whatever, also in circles: bytes of a card are counted once, and of nothing above it", () => {
  const names = ["a", "b", "c", "d", "e", "f"];
  const nic = fc.record({ virtual: fc.boolean(), lower: fc.uniqueArray(fc.constantFrom(...names, "gone")) });
  fc.assert(
    fc.property(fc.tuple(nic, nic, nic, nic, nic, nic), (all) => {
      const nics = Object.fromEntries(names.map((name, i) => [name, all[i] as Nic]));
      for (const [name, lower] of Object.entries(told(nics))) {
        expect(lower).not.toContain(name);
        expect(new Set(lower).size).toBe(lower.length);
        expect(lower.every((each) => names.includes(each))).toBe(true);
      }
    }),
  );
});
