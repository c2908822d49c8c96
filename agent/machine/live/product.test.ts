import { expect, test } from "vitest";
import { amdName, pciName, productNames } from "./product.ts";

// The shape of both lists, with a few of their lines.
const ids =
  "# List of AMDGPU IDs\n1.0.0\n164E,	C1,	AMD Radeon Graphics\n744C,	C8,	AMD Radeon RX 7900 XTX\n744C,	CC,	AMD Radeon RX 7900 XT\n";
const pci = `# comment
1002  Advanced Micro Devices, Inc. [AMD/ATI]
	744c  Navi 31 [Radeon RX 7900 XT/7900 XTX/7900 GRE/7900M]
		1002 0e3b  Radeon RX 7900 GRE
	74a1  Aqua Vanjaram [Instinct MI300X]
# between
8086  Intel Corporation
	46a6  Alder Lake-P GT2 [Iris Xe Graphics]
	56c1  Intel Data Center GPU Flex 140
C 03  Display controller
	00  VGA compatible controller
`;
const chip = (vendor: string, device: string, revision = "00") => ({ vendor, device, revision });

test.each([
  ["c8", "AMD Radeon RX 7900 XTX"],
  ["cc", "AMD Radeon RX 7900 XT"],
  ["00", undefined],
])("revision %s of one AMD chip is sold as %s", (revision, name) => {
  expect(amdName(ids, chip("1002", "744c", revision))).toBe(name);
});

test.each([
  ["1002", "74a1", "AMD Instinct MI300X"],
  ["8086", "46a6", "Intel Iris Xe Graphics"],
  ["8086", "56c1", "Intel Data Center GPU Flex 140"],
  ["8086", "744c", undefined],
  ["1002", "0e3b", undefined],
  ["dead", "744c", undefined],
])("pci.ids calls %s:%s %s", (vendor, device, name) => {
  expect(pciName(pci, chip(vendor, device))).toBe(name);
});

test("the longer list is asked where the first knows nothing, and each chip once", () => {
  const asked: string[] = [];
  const names = productNames((path) => {
    asked.push(path);
    return path === "/usr/share/libdrm/amdgpu.ids" ? ids : path === "/usr/share/misc/pci.ids" ? pci : undefined;
  });
  expect(names(chip("1002", "744c", "c8"))).toBe("AMD Radeon RX 7900 XTX");
  expect(names(chip("1002", "74a1"))).toBe("AMD Instinct MI300X");
  expect(names(chip("1002", "ffff"))).toBeUndefined();
  const before = asked.length;
  names(chip("1002", "ffff"));
  names(chip("1002", "74a1"));
  expect(asked.length).toBe(before);
});

test("a name that was not found is found ten minutes after its list was installed", () => {
  let at = 0;
  let list: string | undefined;
  const names = productNames(
    (path) => (path === "/usr/share/misc/pci.ids" ? list : undefined),
    () => at,
  );
  expect(names(chip("1002", "74a1"))).toBeUndefined();
  list = pci;
  at = 599_999;
  expect(names(chip("1002", "74a1"))).toBeUndefined();
  at = 600_000;
  expect(names(chip("1002", "74a1"))).toBe("AMD Instinct MI300X");
});

test("a machine without any list knows no name", () => {
  expect(productNames(() => undefined)(chip("1002", "744c"))).toBeUndefined();
});
