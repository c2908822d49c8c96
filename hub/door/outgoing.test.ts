import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createSecureContext } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { outgoing } from "./outgoing.ts";

let server: Server;
let port = 0;

beforeEach(async () => {
  server = createServer((_, response) => void response.setHeader("Set-Cookie", ["a=1", "b=2"]).end("there"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  port = (server.address() as AddressInfo).port;
});

afterEach(async () => {
  const closed = once(server, "close");
  server.close();
  await closed;
});

/** Asks a name that has these addresses. */
const ask = (...addresses: readonly string[]): Promise<Response> =>
  outgoing({
    trust: () => createSecureContext(),
    limitBytes: 100,
    lookup: (_, __, done) =>
      done(
        null,
        addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      ),
  })(`http://id.example:${port}/`, { method: "GET", headers: {}, signal: new AbortController().signal });

test("a name is asked at its addresses, but never at those that are link-local", async () => {
  expect(await (await ask("127.0.0.1")).text()).toBe("there");
  expect(await (await ask("169.254.169.254", "127.0.0.1")).text()).toBe("there");
  for (const addresses of [["169.254.169.254"], ["fe80::1"], ["::ffff:169.254.0.1", "fd00:ec2::254"]]) {
    await expect(ask(...addresses)).rejects.toMatchObject({ kind: "link-local" });
  }
});

test("a name without an address is not asked", async () => {
  await expect(ask()).rejects.toMatchObject({ kind: "link-local" });
});
