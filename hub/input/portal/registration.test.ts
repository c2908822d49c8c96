import fc from "fast-check";
import { expect, test } from "vitest";
import { hidden } from "../../../proto/clean.ts";
import { cases } from "../../../test/cases.ts";
import { Fault } from "../../fault.ts";
import { parseRegistration } from "./registration.ts";

const parse = (body: unknown) => parseRegistration(Buffer.from(JSON.stringify(body)));
const none = { gpus: [], disks: [], nics: [] };

test("a registration is read as both releases of the exporter send it", () => {
  const capabilities = {
    cpuCores: 64,
    memoryTotalGB: 503.6,
    gpus: [{ index: 0, name: "NVIDIA A100", memoryTotalMB: 81920 }],
    disks: [{ mount: "/", totalGB: 1800.5 }],
    nics: [{ name: "eth0", ipv4: "10.0.0.7" }],
  };
  expect(parse({ hostname: "gpu7", capabilities })).toEqual({ hostname: "gpu7", capabilities, secret: "" });
  const extended = {
    ...capabilities,
    disks: [{ mount: "/", device: "/dev/sda1", fstype: "ext4", totalGB: 1800.5 }],
    more: {},
  };
  expect(parse({ hostname: "gpu7", capabilities: extended, secret: "s", version: 2 })).toEqual({
    hostname: "gpu7",
    capabilities,
    secret: "s",
  });
});

test("capabilities that are not known are absent, and devices without a name are left out", () => {
  const capabilities = {
    cpuCores: null,
    memoryTotalGB: "500",
    gpus: [{ index: null }, { index: 1, memoryTotalMB: null }],
    disks: [{ mount: "" }, { mount: "/", totalGB: -1 }],
    nics: "none",
  };
  expect(parse({ hostname: "a", capabilities }).capabilities).toEqual({
    gpus: [{ index: 1, name: "" }],
    disks: [{ mount: "/" }],
    nics: [],
  });
});

test.each([
  "gpu7",
  "GPU-7.lab.example",
  "node_1",
  "实验室 1",
  "r\u00e9sum\u00e9",
  "a".repeat(64),
  "rack (2)",
  " padded ",
])("%s is a host name", (hostname) => {
  expect(parse({ hostname, capabilities: {} })).toEqual({ hostname: hostname.trim(), capabilities: none, secret: "" });
});

test.each(
  [
    "",
    " ",
    "a".repeat(65),
    "x".repeat(1_000_00),
    "<script>alert(1)</script>",
    "=1+1",
    "+1",
    "-rf",
    "@a",
    'a"b',
    "a'b",
    "a\nb",
    "a\0",
    "a\u202eb",
    "a\u200bb",
    // Invisible, although a mark of a letter.
    "a\u034fb",
    "../etc",
    "a/b",
    "a\\b",
    "{a}",
    "a,b",
    "a;b",
    "\ud800",
    "a\ufffd",
    5,
    null,
    ["a"],
    undefined,
  ].map((name) => [name]),
)("%.30s is none", (hostname) => {
  expect(() => parse({ hostname, capabilities: {} })).toThrow(
    expect.objectContaining({
      code: "bad_request",
      message: expect.stringMatching(/^The body's "hostname" must be .{1,400}$/),
    }),
  );
});

test.each([
  [[], "The body must be a JSON object"],
  [{ hostname: "a" }, 'The body\'s "capabilities" must be an object.'],
  [{ hostname: "a", capabilities: [] }, 'The body\'s "capabilities" must be an object.'],
  [{ hostname: "a", capabilities: "x" }, 'The body\'s "capabilities" must be an object.'],
])("%j is refused", (body, message) => {
  expect(() => parse(body)).toThrow(message);
});

test("two forms of one character are one name", () => {
  expect(parse({ hostname: "re\u0301sume\u0301", capabilities: {} }).hostname).toBe("r\u00e9sum\u00e9");
});

test("what is kept of a registration is small, whatever is sent", () => {
  const many = <T>(item: T) => Array.from({ length: 600 }, () => item);
  const capabilities = {
    gpus: many({ index: 1, name: "数".repeat(100) }),
    disks: many({ mount: "x".repeat(120) }),
    nics: many({ name: "x".repeat(120), ipv4: "x".repeat(90) }),
  };
  expect(JSON.stringify(parse({ hostname: "a", capabilities })).length).toBeLessThan(60_001);
});

const anything = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.string({ unit: "binary" }));
const device = fc.dictionary(
  fc.constantFrom(..."index name memoryTotalMB mount totalGB ipv4 __proto__".split(" ")),
  anything,
);
const list = fc.oneof(fc.array(device), anything);
const registration = fc.record(
  {
    hostname: fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" }), anything),
    secret: anything,
    capabilities: fc.oneof(
      fc.record(
        { cpuCores: anything, memoryTotalGB: anything, gpus: list, disks: list, nics: list },
        { requiredKeys: [] },
      ),
      anything,
    ),
  },
  { requiredKeys: [] },
);

test("any registration is refused as bad_request, or has a name and texts that show as they are", () => {
  fc.assert(
    fc.property(registration, (body) => {
      try {
        const { hostname, capabilities } = parse(body);
        expect(hostname).toMatch(/^[\p{L}\p{N}_][\p{L}\p{M}\p{N} ._()-]{0,63}$/u);
        expect([hostname, JSON.stringify(capabilities)].filter((text) => text.search(hidden) >= 0)).toEqual([]);
        expect(JSON.parse(JSON.stringify(capabilities))).toEqual(capabilities);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        expect(error.code).toBe("bad_request");
      }
    }),
    cases,
  );
});
