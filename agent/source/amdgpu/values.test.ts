import { expect, test } from "vitest";
import { parseCard } from "../../machine/drm/drm.ts";
import { activeClock, uuidOf } from "./values.ts";

test.each([
  ["0: 500Mhz\n1: 2482Mhz *\n2: 2526Mhz\n", 2482],
  ["S: 19Mhz *\n0: 615Mhz\n1: 800Mhz\n", 19],
  ["0: 500Mhz\n1: 2482Mhz\n", undefined],
  ["", undefined],
])("of the clocks %j, the one in force is %j", (text, clock) => {
  expect(activeClock(text)).toBe(clock);
});

const card = parseCard(1, "PCI_CLASS=30000\nPCI_ID=1002:744C\nPCI_SLOT_NAME=0000:03:00.0\n");

test.each([
  ["8af705259683161c\n", "GPU-8af705259683161c"],
  ["af705259683161c", "GPU-0af705259683161c"],
  ["0000000000000000\n", "pci-0000:03:00.0"],
  ["", "pci-0000:03:00.0"],
  ["no number", "pci-0000:03:00.0"],
  [undefined, "pci-0000:03:00.0"],
])("a card with the number %j is called %s", (unique, uuid) => {
  expect(card && uuidOf(card, unique)).toBe(uuid);
});
