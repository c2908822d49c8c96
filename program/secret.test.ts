import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { secretWarnings } from "./secret.ts";
import { text } from "./setting.ts";

const table = {
  token: {
    name: "serve.token",
    env: "PROGRAM_TOKEN",
    default: "",
    help: "Shared secret.",
    secret: true,
    reader: text("a text"),
  },
};

const file = (mode: number): string => {
  const folder = mkdtempSync(join(tmpdir(), "secret-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "secret");
  writeFileSync(path, "open sesame");
  chmodSync(path, mode);
  return path;
};

test("a secret on the command line is warned of, without what it is", () => {
  const [warning = "", ...more] = secretWarnings(table, { flags: { "serve-token": "open sesame" }, env: {} }, []);
  expect(warning).toContain(
    "can see --serve-token in the list of processes: give it with PROGRAM_TOKEN_FILE or PROGRAM_TOKEN",
  );
  expect(warning).not.toContain("sesame");
  expect(more).toEqual([]);
  expect(secretWarnings(table, { flags: {}, env: { PROGRAM_TOKEN: "open sesame" } }, [])).toEqual([]);
});

test.each([
  [0o600, false],
  [0o640, false],
  [0o644, true],
  [0o602, true],
])("a file of mode %i is warned of: %s", (mode, warned) => {
  const path = file(mode);
  const warning = `Every user of this machine can read the secret in ${path}: chmod o-rwx ${path}`;
  const expected = warned ? [warning] : [];
  expect(secretWarnings(table, { flags: {}, env: { PROGRAM_TOKEN_FILE: path } }, [])).toEqual(expected);
  expect(secretWarnings(table, { flags: {}, env: {} }, [path, ""])).toEqual(expected);
});

test("a file that is not there is left to those who read it", () => {
  expect(secretWarnings(table, { flags: {}, env: { PROGRAM_TOKEN_FILE: "/no/such" } }, [])).toEqual([]);
});
