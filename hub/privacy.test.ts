import { create, type DescMessage } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type HostInfo, HostInfoSchema } from "../proto/gen/host_pb.js";
import { userOf } from "../proto/summary.ts";
import { cases } from "../test/cases.ts";
import { cause } from "./cause.ts";
import { notice } from "./notice.ts";
import { Aliases, type AliasStyle } from "./privacy/alias.ts";
import { noticesFor, Privacy, type UserPrivacy } from "./privacy.ts";
import { textOf } from "./sentence.ts";
import type { Principal } from "./who.ts";

const styles = ["initials", "hidden"] as const;
const hour = 3_600_000;

const maskOf = (users: UserPrivacy, by: Principal = { kind: "anonymous" }) =>
  new Privacy({ now: () => 0, users }).maskFor(by);
const mask = (style: AliasStyle) => maskOf(style) ?? expect.fail();

/** Names as machines send them, and hostile ones. */
const name = fc.oneof(
  fc.constantFrom(
    "alice",
    "Alice",
    "adam",
    "bob",
    "a",
    "a.",
    "a. 2",
    "#1",
    "?",
    "王小明",
    "uid 1000",
    "CORP\\alice",
    "x/y",
  ),
  fc.string({ unit: "binary", minLength: 1, maxLength: 20 }),
);

test.each(styles)("%s: two names never have the same alias, and a name keeps its own", (style) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(name, fc.boolean()), { maxLength: 40 }), (uses) => {
      const aliases = new Aliases(style, () => 0);
      const given = new Map<string, string | undefined>();
      for (const [text, person] of uses) {
        const alias = aliases.of(text, person);
        expect(alias).toBe(given.get(text) ?? alias);
        given.set(text, alias);
      }
      expect(new Set(given.values()).size).toBe(given.size);
    }),
    cases,
  );
});

test("hidden: the alias is the same whatever the name is; initials: it is the first character, and a number if others have it", () => {
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 20 }), (names) => {
      const [hidden, initials] = styles
        .map((style) => new Aliases(style === "hidden" ? "hidden" : "initials", () => 0))
        .reverse();
      expect(names.map((text) => hidden?.of(text, true))).toEqual(names.map((_, i) => `#${i + 1}`));
      for (const text of names) {
        const [first = ""] = text;
        expect(initials?.of(text, true)?.replace(/( \d+)?$/, "")).toBe(`${first}.`);
      }
    }),
    cases,
  );
  const aliases = new Aliases("initials", () => 0);
  expect(["alice", "bob", "adam", "anna", "alice"].map((one) => aliases.of(one, true))).toEqual([
    "a.",
    "b.",
    "a. 2",
    "a. 3",
    "a.",
  ]);
});

test("machines that send new names without end cost a bounded memory, and no one else the alias", () => {
  let now = 0;
  const aliases = new Aliases("hidden", () => now);
  const alice = aliases.of("alice", true);
  for (let i = 0; i < 60_000; i++) {
    now += 1;
    aliases.of(`x${i}`, true);
    if (i % 1000 === 0) expect(aliases.of("alice", true)).toBe(alice);
  }
  expect(aliases.of("y", true)).toBeUndefined();
  // Names of an hour ago give way, those in use do not.
  now += hour - 1;
  expect(aliases.of("alice", true)).toBe(alice);
  now += 1;
  expect(aliases.of("y", true)).toBe("#20001");
  for (let i = 0; i < 20_000; i++) aliases.of(`z${i}`, true);
  expect(aliases.of("alice", true)).toBe(alice);
});

test("who may read by an account or a token sees all, others what the setting says", () => {
  const kinds = ["anonymous", "viewer", "administrator", "node", "reporter", "owner"] as const;
  const masked = (users: UserPrivacy) => kinds.filter((kind) => maskOf(users, { kind, name: "x" }) !== undefined);
  expect(masked("shown")).toEqual([]);
  for (const style of styles) expect(masked(style)).toEqual(["anonymous", "node", "reporter"]);
});

/** A report with a text in every field that can have one, and a number in every other. */
function filled(text: string): HostInfo {
  const fill = (schema: DescMessage): Record<string, unknown> =>
    Object.fromEntries(
      schema.fields.map((field): [string, unknown] => {
        const one =
          field.message !== undefined
            ? create(field.message, fill(field.message))
            : field.fieldKind === "scalar" || (field.fieldKind === "list" && field.listKind === "scalar")
              ? scalarOf(field.scalar, text)
              : 1;
        return [field.localName, field.fieldKind === "list" ? [one] : one];
      }),
    );
  return create(HostInfoSchema, fill(HostInfoSchema));
}

const scalarOf = (scalar: number, text: string): unknown =>
  scalar === 9 ? text : scalar === 8 ? true : [3, 4, 16, 18].includes(scalar) ? 7n : 7;

/** Paths of the fields of a message that contain a text. */
const containing = (message: unknown, text: string, path = ""): string[] =>
  typeof message === "string"
    ? message.includes(text)
      ? [path.slice(1)]
      : []
    : Object.entries((message ?? {}) as object).flatMap(([key, held]) =>
        containing(held, text, Array.isArray(message) ? path : `${path}.${key}`),
      );

test.each(styles)(
  "%s: of the texts of a report only those that tell no person are sent, and none that was added since",
  (style) => {
    const info = filled("zoltan");
    expect(containing(info, "zoltan").length).toBeGreaterThan(35);
    mask(style).report(info, false);
    expect(containing(info, "zoltan")).toEqual([
      "id",
      "gpus.name",
      "gpus.uuid",
      "gpus.pciBusId",
      "gpus.parent",
      "gpus.computePartition",
      "gpus.memoryPartition",
      "disks.fstype",
      "ip",
      "hostname",
      "cpu.model",
      "nics.name",
      "nics.addresses",
      "nics.lower",
      "system.os",
      "system.osVersion",
      "system.kernel",
      "system.bootId",
      "system.driverVersion",
      "system.cudaVersion",
      "sources.name",
      "agentVersion",
    ]);
    expect(info.gpus[0]?.procs[0]).toMatchObject({ pid: 7, mem: 7n, hostMem: 7n, started: 7n });
    expect(info.gpus[0]?.procs[0]?.uid).toBeUndefined();
  },
);

test("an unknown user stays unknown, and one without a name is a person, too", () => {
  const info = create(HostInfoSchema, {
    gpus: [{ procs: [{ pid: 1 }, { uid: 1000 }, { uid: 1001 }, { uid: 1000 }, { uid: 5, username: "ann" }] }],
  });
  mask("hidden").report(info, false);
  expect(info.gpus[0]?.procs.map(userOf)).toEqual(["?", "#1", "#2", "#1", "#3"]);
});

test.each([
  ["/", "/"],
  ["/data2", "/data2"],
  ["/mnt/nvme0n1", "/mnt/nvme0n1"],
  ["/boot/efi", "/boot/efi"],
  ["/var/lib/docker", "/var/lib/docker"],
  ["/dev/nvme0n1p2", "/dev/nvme0n1p2"],
  ["/home", "/home"],
  ["/home/alice", "/home/a."],
  ["/home/data", "/home/d."],
  ["/mnt/home2/root/alice", "/mnt/home2/r./a."],
  ["/run/user/1000", "/run/user/1."],
  ["/alice", "/a."],
  ["nas:/export/home/alice", "nas:/export/home/a."],
  ["alice@10.0.0.5:/data", "a.@10.0.0.5:/data"],
  ["//nas/alice", "//nas/a."],
  ["C:\\Users\\alice", "C.:\\Users\\a."],
  ["/media/alice/My Disk", "/media/a./M."],
  ["/usr/share/home/alice", "/usr/share/home/a."],
])("the mount point %s is shown as %s", (path, shown) => {
  expect(mask("initials").path(path, false)).toBe(shown);
});

test.each([
  ["open /home/alice/x.so: no such file", "open /home/a./x.: no such file"],
  ["'/home/alice smith/x' is gone", "'/home/a./x.' is gone"],
  ["the process of bob holds it (bob's)", "the process of b. holds it (b.'s)"],
  ["bob-train, bob.old and bobby", "b.-train, b..old and bobby"],
  ["no answer from tls://gpu1:9203 (10.0.0.5)", "no answer from tls://gpu1:9203 (10.0.0.5)"],
  ["/proc/12/fdinfo and /usr/lib/libnvidia-ml.so.1", "/proc/12/fdinfo and /usr/lib/libnvidia-ml.so.1"],
  ["80 GB / 96 GB and and/or", "80 GB / 96 GB and and/or"],
  ["CORP\\carol or carol@lab", "C.\\c. or c.@l."],
])("the text %j of a machine is sent as %j", (text, sent) => {
  const one = mask("initials");
  one.report(create(HostInfoSchema, { gpus: [{ procs: [{ username: "bob" }] }] }), false);
  expect(one.text(text, false)).toBe(sent);
});

test("a message about the hub names no address, path or person to those who may not see people", () => {
  const why = cause("netdata", { address: "http://10.0.0.17:19999", why: cause("nothing_listens") });
  const messages = [
    notice("report_failed", { node: "gpu1", others: 0, error: why }),
    notice("settings_bad", { message: "bob cannot read /home/alice/settings.json" }),
    "bob is at 10.0.0.18",
  ];
  const told = noticesFor(messages, mask("hidden"));
  expect(told.map(textOf)).toEqual([
    "Daily reports of gpu1 lack data: nothing listens there. The source is asked again at least every hour, and days that are missing are made up.",
    "The settings have an error. The previous settings remain in effect.",
  ]);
  expect(JSON.stringify(told)).not.toMatch(/10\.0|bob|alice/);
  expect(noticesFor(messages, undefined)).toEqual(messages);
});

test("a machine that waits for approval has no aliases: it may have chosen the names", () => {
  const one = mask("hidden");
  one.report(create(HostInfoSchema, { gpus: [{ procs: [{ username: "bob" }] }] }), false);
  expect(one.text("bob", true)).toBe("");
  expect(one.path("/home/bob", true)).toBe("/home/?");
});

test("two paths are never shown as the same, and no folder of a person is in one", () => {
  const piece = fc.oneof(name, fc.constantFrom("home", "users", "data", "mnt", "nvme0n1", "usr", "proc"));
  const paths = fc.uniqueArray(
    fc.array(piece, { maxLength: 4 }).map((parts) => `/${parts.join("/")}`),
    { maxLength: 10 },
  );
  fc.assert(
    fc.property(paths, fc.constantFrom(...styles), (all, style) => {
      const one = mask(style);
      expect(new Set(all.map((path) => one.path(path, false))).size).toBe(all.length);
      for (const path of all) expect(one.path(`${path}/home/zoltan/x`, false)).not.toContain("zoltan");
    }),
    cases,
  );
});

test("no text makes the mask fail or take long, or leaves a known name or a home folder in it", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "zoltan",
      "/home/zoltan",
      "/home/quentin",
      "/",
      " ",
      ":",
      "\\",
      "@",
      "'",
      "C:\\",
      "//",
      "-",
      "é",
      "\ud800",
      "/mnt/",
    ),
    fc.string({ unit: "binary", maxLength: 8 }),
  );
  const texts = fc.array(piece, { maxLength: 200 }).map((parts) => parts.join(" "));
  fc.assert(
    fc.property(texts, fc.constantFrom(...styles), (text, style) => {
      const one = mask(style);
      const info = create(HostInfoSchema, { err: text, gpus: [{ procs: [{ username: "zoltan" }], err: text }] });
      one.report(info, false);
      expect([info.err, info.gpus[0]?.err].join(" ").split(/[^\p{L}\p{N}_]+/u)).not.toContain("zoltan");
      expect(info.err).not.toContain("/home/quentin");
    }),
    cases,
  );
  const long = "/a ".repeat(200_000) + "x".repeat(100_000) + "a.".repeat(100_000) + "/b-".repeat(100_000);
  expect(mask("hidden").text(long, false).length).toBeGreaterThan(1000);
});

test("a text about one machine has no name of somebody who uses another one, whatever was asked before", () => {
  const other = create(HostInfoSchema, { gpus: [{ procs: [{ username: "grace" }], holders: [{ pod: "job-7" }] }] });
  const live: HostInfo[] = [];
  const privacy = new Privacy({ now: () => 0, users: "hidden", reports: () => live });
  const said = () => privacy.maskFor({ kind: "anonymous" })?.text("grace and job-7 fill it", false);
  expect(said()).toBe("grace and job-7 fill it");
  live.push(other);
  expect([said(), said()]).toEqual(["#1 and #2 fill it", "#1 and #2 fill it"]);
});
