import { expect, test } from "vitest";
import { machineOf } from "../../../test/machine.ts";
import { parseCard } from "../../machine/drm/drm.ts";
import { parseErrors, Ras } from "./ras.ts";

test.each([
  ["ue: 0\nce: 1\n", { corrected: 1, uncorrected: 0 }],
  ["ue: 2\nce: 7\nde: 1\n", { corrected: 7, uncorrected: 2 }],
  ["Query currently inaccessible\n", undefined],
  ["", undefined],
])("%j counts %j", (text, errors) => {
  expect(parseErrors(text)).toEqual(errors);
});

function rig() {
  const card = parseCard(1, "PCI_CLASS=120000\nPCI_ID=1002:74A1\nPCI_SLOT_NAME=0000:1b:00.0\n");
  if (card === undefined) throw new Error("no card");
  const folder = `${card.folder}/ras`;
  const files: Record<string, string> = {
    [`${folder}/umc_err_count`]: "ue: 1\nce: 5\n",
    [`${folder}/gfx_err_count`]: "ue: 0\nce: 2\n",
    [`${folder}/features`]: "feature mask: 0x1\nue: 9\nce: 9\n",
  };
  const said = { ticks: 0 };
  const lists = { [folder]: ["features", "gfx_err_count", "umc_err_count"] };
  return { files, folder, said, ras: new Ras(machineOf({ files, lists, ticks: () => said.ticks }), card) };
}

test("errors are summed over the blocks of the chip", () => {
  expect(rig().ras.read()).toEqual({ corrected: 7, uncorrected: 1 });
});

test("a block that does not answer keeps what it said, so that no error is taken back", () => {
  const { ras, files, folder, said } = rig();
  ras.read();
  said.ticks = 60_000;
  files[`${folder}/umc_err_count`] = "Query currently inaccessible\n";
  files[`${folder}/gfx_err_count`] = "ue: 0\nce: 3\n";
  expect(ras.read()).toEqual({ corrected: 8, uncorrected: 1 });
});

test("the firmware is asked once a minute, not at every poll", () => {
  const { ras, files, folder, said } = rig();
  ras.read();
  files[`${folder}/gfx_err_count`] = "ue: 0\nce: 4\n";
  said.ticks = 59_999;
  expect(ras.read()?.corrected).toBe(7);
  said.ticks = 60_000;
  expect(ras.read()?.corrected).toBe(9);
});

test("a card that counts no errors has none, not 0", () => {
  const card = parseCard(1, "PCI_CLASS=30000\nPCI_ID=1002:744C\nPCI_SLOT_NAME=0000:03:00.0\n");
  if (card === undefined) throw new Error("no card");
  expect(new Ras(machineOf({}), card).read()).toBeUndefined();
});
