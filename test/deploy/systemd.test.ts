// What systemd itself says of the units.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { table as agentTable } from "../../agent/settings.ts";
import { table as hubTable } from "../../hub/settings.ts";
import { top } from "../program.ts";

const units = join(top, "deploy", "systemd");
const folder = mkdtempSync(join(tmpdir(), "gohm-units-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// Since version 250 a unit file can be judged without being installed.
const version = Number(
  /^systemd (\d+)/.exec(spawnSync("systemd-analyze", ["--version"], { encoding: "utf8" }).stdout)?.[1],
);
const reason = version >= 250 ? undefined : "there is no systemd-analyze of version 250 or later (Debian's systemd)";

function exposure(file: string): number {
  const args = ["security", "--offline=yes", "--no-pager", file];
  const { stdout, stderr } = spawnSync("systemd-analyze", args, { encoding: "utf8" });
  const found = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1];
  if (found === undefined) throw new Error(`systemd-analyze gave no level: ${stderr}`);
  return Number(found);
}

describe.skipIf(reason !== undefined)(`units${reason ? `: ${reason}` : ""}`, () => {
  test.each([
    ["hmonitor.service", 1.7],
    ["gohm.service", 1.3],
  ])("%s is exposed at most %f", (name, most) => {
    expect(exposure(join(units, name))).toBeLessThanOrEqual(most);
  });

  test("a unit without its sandbox is detected", () => {
    const bare = join(folder, "bare.service");
    writeFileSync(bare, "[Service]\nExecStart=/bin/true\n");
    expect(exposure(bare)).toBeGreaterThan(9);
  });

  test.each(["hmonitor.service", "gohm.service", "user/hmonitor.service"])(
    "%s has no line systemd does not know",
    (name) => {
      const copy = join(folder, name.replace("/", "-"));
      copyFileSync(join(units, name), copy);
      // The programs are not installed here; of a unit's own lines verify tells everything.
      writeFileSync(copy, readFileSync(copy, "utf8").replace(/^ExecStart=\S+/m, "ExecStart=/bin/true"));
      const { status, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", copy], { encoding: "utf8" });
      expect(stderr.split("\n").filter((line) => line.includes(folder))).toEqual([]);
      expect(status).toBe(0);
    },
  );
});

test.each(["hmonitor.service", "gohm.service"])("%s says why of each thing it leaves open", (name) => {
  const text = readFileSync(join(units, name), "utf8");
  const comments = text.match(/^#.*$/gm)?.join("\n") ?? "";
  const strict: Readonly<Record<string, string>> = {
    ProtectHome: "yes",
    PrivateDevices: "yes",
    PrivateUsers: "yes",
    PrivateNetwork: "yes",
    IPAddressDeny: "any",
    MemoryDenyWriteExecute: "yes",
    ProtectProc: "invisible",
    ProcSubset: "pid",
  };
  for (const [directive, value] of Object.entries(strict)) {
    const set = new RegExp(`^${directive}=${value}$`, "m").test(text);
    if (!set && directive === "ProtectHome") expect(text).toContain('# Not "yes": file systems');
    else if (!set) expect(comments).toContain(`${directive}=${value}`);
  }
});

test("every variable the units set is a setting", () => {
  const known = [...Object.values(agentTable), ...Object.values(hubTable)].map(({ env }) => env);
  for (const name of ["hmonitor.service", "gohm.service"]) {
    const set = [...readFileSync(join(units, name), "utf8").matchAll(/^Environment=(GOHM_\w+)=/gm)];
    expect(set.map(([, variable]) => variable).filter((variable) => !known.includes(variable ?? ""))).toEqual([]);
  }
});

test.each(["hmonitor.service", "user/hmonitor.service"])(
  "%s goes on for ever, but not against a hub that rejects it",
  (name) => {
    const text = readFileSync(join(units, name), "utf8");
    expect(text.match(/^(Restart|RestartPreventExitStatus|StartLimitIntervalSec)=.*$/gm)?.sort()).toEqual([
      "Restart=always",
      "RestartPreventExitStatus=77", // test/system/agent-push.test.ts: what it ends with then
      "StartLimitIntervalSec=0",
    ]);
  },
);

test("the agent's service has a folder of its own for the token", () => {
  const text = readFileSync(join(units, "hmonitor.service"), "utf8");
  expect(text).toMatch(/^StateDirectory=hmonitor$/m);
  expect(text).toMatch(/^StateDirectoryMode=0700$/m);
});
