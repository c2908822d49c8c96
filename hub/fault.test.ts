import { readFileSync } from "node:fs";
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { asFault, Fault, type FaultCode, faults } from "./fault.ts";
import { statusOf } from "./http/error.ts";
import { statuses } from "./view/grpc.ts";

const rows = readFileSync(new URL("../docs/faults.md", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) => line.split("|").map((cell) => cell.trim()));

test("docs/faults.md says of every code what it means and what HTTP and gRPC make of it", () => {
  const wanted = (Object.keys(faults) as FaultCode[]).map((code) => [
    `\`${code}\``,
    faults[code].text,
    String(statusOf(code)),
    status[statuses[faults[code].kind]],
  ]);
  expect(rows.map((cells) => cells.slice(1, 5))).toEqual(wanted);
  expect(rows.every((cells) => (cells[5] ?? "").length > 5)).toBe(true);
});

test("what was not expected is told as internal, without its words", () => {
  expect(asFault(new Error("secret path"))).toMatchObject({
    code: "internal",
    message: expect.not.stringContaining("secret"),
  });
  const fault = new Fault("host_unknown", "no");
  expect(asFault(fault)).toBe(fault);
});
