import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { table as agent } from "../agent/settings.ts";
import { table as hub } from "../hub/settings.ts";
import { secretWarnings } from "./secret.ts";

const file = (mode: number): string => {
  const folder = mkdtempSync(join(tmpdir(), "secret-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "secret");
  writeFileSync(path, "open sesame");
  chmodSync(path, mode);
  return path;
};

test.each([
  [agent, "token", "GOHM_TOKEN"],
  [agent, "secret", "GOHM_SECRET"],
  [hub, "poll-token", "GOHM_POLL_TOKEN"],
])("a secret on the command line is warned of, without what it is: --%s", (table, flag, env) => {
  const [warning = "", ...more] = secretWarnings(table, { flags: { [flag]: "open sesame" }, env: {} }, []);
  expect(warning).toContain(`can see --${flag} in the list of processes: give it with ${env}_FILE or ${env}`);
  expect(warning).not.toContain("sesame");
  expect(more).toEqual([]);
  expect(secretWarnings(table, { flags: {}, env: { [env]: "open sesame" } }, [])).toEqual([]);
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
  expect(secretWarnings(agent, { flags: {}, env: { GOHM_TOKEN_FILE: path } }, [])).toEqual(expected);
  expect(secretWarnings(agent, { flags: {}, env: {} }, [path, ""])).toEqual(expected);
});

test("a file that is not there is left to those who read it", () => {
  expect(secretWarnings(agent, { flags: {}, env: { GOHM_TOKEN_FILE: "/no/such" } }, [])).toEqual([]);
});
