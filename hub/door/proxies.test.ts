import { isIP } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../test/cases.ts";
import { type Client, noProxies, Proxies } from "./proxies.ts";

const proxies = new Proxies(() => "127.0.0.0/8, ::1, 10.9.0.0/16, fd00:9::/32");

interface Sent {
  readonly peer?: string;
  readonly encrypted?: boolean;
  readonly for?: string | undefined;
  readonly proto?: string;
  readonly called?: string;
}

function client({ peer = "127.0.0.1", encrypted = false, for: forwarded, proto, called }: Sent, by = proxies): Client {
  const headers = new Map([
    ["host", "hub:5000"],
    ...Object.entries({ "x-forwarded-for": forwarded, "x-forwarded-proto": proto, "x-forwarded-host": called }),
  ]);
  return by.clientOf({ peer, encrypted, header: (name) => headers.get(name) });
}

test.each<[peer: string, forwarded: string | undefined, address: string]>([
  ["127.0.0.1", undefined, "127.0.0.1"],
  ["127.0.0.1", "", "127.0.0.1"],
  ["127.0.0.1", "10.0.0.9", "10.0.0.9"],
  // What the client sent by itself stands before what the proxy saw.
  ["127.0.0.1", "10.1.1.1, 10.0.0.9", "10.0.0.9"],
  ["::1", "2001:db8::9", "2001:db8::9"],
  // Two and three proxies in a row.
  ["127.0.0.1", "10.1.1.1, 10.0.0.9, 10.9.0.1", "10.0.0.9"],
  ["10.9.0.1", "10.1.1.1,10.0.0.9,fd00:9::1,127.0.0.1", "10.0.0.9"],
  // A client on the machine of the first proxy.
  ["127.0.0.1", "10.9.0.2, 10.9.0.1", "10.9.0.2"],
  // One whose own proxies are not believed.
  ["127.0.0.1", "10.0.0.9, 10.8.0.1, 10.9.0.1", "10.8.0.1"],
  ["127.0.0.1", "10.0.0.9, ,, ", "10.0.0.9"],
  ["127.0.0.1", "10.0.0.9, <b>unknown</b>", "127.0.0.1"],
  ["127.0.0.1", "10.0.0.9, unknown, 10.9.0.1", "10.9.0.1"],
  ["127.0.0.1", "10.0.0.9, 10.9.0.256", "127.0.0.1"],
  ["127.0.0.1", "10.0.0.9, 010.0.0.1", "127.0.0.1"],
  ["127.0.0.1", "10.0.0.9:50312", "10.0.0.9"],
  ["127.0.0.1", "10.0.0.9, 10.9.0.1:443", "10.0.0.9"],
  ["127.0.0.1", "[2001:DB8:0:0::9]:50312", "2001:db8::9"],
  ["127.0.0.1", "[2001:db8::9]", "2001:db8::9"],
  ["127.0.0.1", '"[2001:db8::9]:50312"', "2001:db8::9"],
  ["127.0.0.1", "::ffff:10.0.0.9", "10.0.0.9"],
  ["127.0.0.1", "10.0.0.9, ::FFFF:10.9.0.1", "10.0.0.9"],
  ["127.0.0.1", "fe80::9%eth0", "fe80::9"],
  ["127.0.0.1", "2001:db8::9:", "127.0.0.1"],
  ["127.0.0.1", "10.0.0.9:", "127.0.0.1"],
  // No proxy of the settings.
  ["10.0.0.7", "10.0.0.9", "10.0.0.7"],
  ["", "10.0.0.9", ""],
])("the client of a request from %s that is forwarded for %j is at %s", (peer, forwarded, address) => {
  expect(client({ peer, for: forwarded }).address).toBe(address);
});

test.each<[Sent, boolean | undefined, string]>([
  [{}, undefined, "hub:5000"],
  [{ encrypted: true }, true, "hub:5000"],
  [{ proto: "https", called: "lab.example" }, true, "lab.example"],
  [{ proto: "HTTPS" }, true, "hub:5000"],
  [{ proto: "wss" }, true, "hub:5000"],
  // The proxy encrypts its own connection to the hub, and has none to the client.
  [{ encrypted: true, proto: "http" }, false, "hub:5000"],
  [{ proto: "on" }, undefined, "hub:5000"],
  [{ proto: "", called: " , " }, undefined, "hub:5000"],
  // Of two proxies, the first one is the client's.
  [{ for: "10.0.0.9, 10.9.0.1", proto: "https, http", called: "lab.example, inner:80" }, true, "lab.example"],
  [{ for: "10.0.0.9, 10.9.0.1", proto: "https" }, true, "hub:5000"],
  // What the client sent by itself.
  [{ for: "10.1.1.1, 10.0.0.9", proto: "https, http", called: "evil.example, lab.example" }, false, "lab.example"],
  [{ proto: "https, http", called: "evil.example, lab.example" }, false, "lab.example"],
  [{ peer: "10.0.0.7", proto: "https", called: "evil.example" }, undefined, "hub:5000"],
  [{ peer: "10.0.0.7", encrypted: true, proto: "http" }, true, "hub:5000"],
])(
  "of a request with %j it is known that it was encrypted: %s, and that the hub was called %s",
  (sent, secure, host) => {
    expect(client(sent)).toMatchObject({ secure, host });
  },
);

test("without proxies nothing is believed of anybody, and a change of the settings counts at once", () => {
  const sent = { for: "10.0.0.9", proto: "https", called: "evil.example" };
  expect(client(sent, noProxies)).toEqual({ address: "127.0.0.1", secure: undefined, host: "hub:5000" });
  let text = "";
  const changing = new Proxies(() => text);
  expect(changing.has("10.9.0.1")).toBe(false);
  text = "10.9.0.1";
  expect([changing.has("10.9.0.1"), changing.has("::ffff:10.9.0.1"), changing.has("10.9.0.2")]).toEqual([
    true,
    true,
    false,
  ]);
});

const entry = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.constantFrom("10.9.0.1", "127.0.0.1", "::1", "unknown", "", "[::1]:80", '"', "[", "%", "10.9.0.1:1"),
  fc.string({ unit: "binary", maxLength: 40 }),
);

test("whatever a proxy forwards for, the client is at an address that it named, or at that of a proxy", () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 40 }), (entries) => {
      const forwarded = entries.join(",");
      const { address } = client({ for: forwarded });
      expect(isIP(address)).toBeGreaterThan(0);
      // Nothing that stands before the last entry that is no proxy has a say.
      expect(client({ for: `203.0.113.9,${forwarded}` }).address).toSatisfy(
        (other) => other === address || (proxies.has(address) && other === "203.0.113.9"),
      );
    }),
    cases,
  );
});

test("a header as long as they may be is read at once", () => {
  let matched = 0;
  const counting = new Proxies(() => {
    matched++;
    return "127.0.0.0/8";
  });
  expect(client({ for: "127.0.0.1,".repeat(1600) }, counting).address).toBe("127.0.0.1");
  expect(matched).toBeLessThan(50);
});
