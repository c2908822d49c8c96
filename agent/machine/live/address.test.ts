import { expect, test } from "vitest";
import { hostAddresses, parseInet6, parseTrie } from "./address.ts";

const trie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
     +-- 192.0.2.0/24 2 0 2
           |-- 192.0.2.0
              /24 link UNICAST
           |-- 192.0.2.2
              /32 host LOCAL
     |-- 10.7.0.9
        /32 host LOCAL
Local:
           |-- 192.0.2.2
              /32 host LOCAL
`;
const route = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
eth0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
ib0	0000000A	00000000	0001	0	0	0	000000FF	0	0	0
`;

test("each local address once, with the interface whose network it is in", () => {
  expect(parseTrie(trie, route)).toEqual([
    { nic: "lo", address: "127.0.0.1", family: 4, loopback: true },
    { nic: "eth0", address: "192.0.2.2", family: 4, loopback: false },
    { nic: "ib0", address: "10.7.0.9", family: 4, loopback: false },
  ]);
});

test.each([
  ["fe8000000000000000fc00fffe000001", "fe80::fc:ff:fe00:1"],
  ["00000000000000000000000000000001", "::1"],
  ["fd000000000000000000000000000000", "fd00::"],
  ["20010db8000100020003000400050006", "2001:db8:1:2:3:4:5:6"],
  ["20010db8000000000001000000000001", "2001:db8::1:0:0:1"],
])("%s is %s", (hex, address) => {
  expect(parseInet6(`${hex} 04 40 20 80     eth0\n`)[0]?.address).toBe(address);
});

test("without the table of addresses nothing is claimed", () => {
  expect(hostAddresses(() => undefined)).toBeUndefined();
});
