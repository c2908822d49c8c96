import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createSecureContext } from "node:tls";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fetchOutside, type OutgoingOptions, outgoing } from "./outgoing.ts";

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

/** Looks up a name that has these addresses. */
const named =
  (addresses: readonly string[]): NonNullable<OutgoingOptions["lookup"]> =>
  (_, __, done) =>
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );

type Ask = (...addresses: readonly string[]) => Promise<Response>;
const never = new AbortController().signal;
const ask: Ask = (...addresses) =>
  outgoing({ trust: () => createSecureContext(), limitBytes: 100, lookup: named(addresses) })(
    `http://id.example:${port}/`,
    { method: "GET", headers: {}, signal: never },
  );
const fetched: Ask = (...addresses) =>
  fetchOutside(`http://netdata.example:${port}/`, { signal: never }, named(addresses));

test.each<[string, Ask]>([
  ["a provider", ask],
  ["a source of reports", fetched],
])("the name of %s is asked at its addresses, but never at those that are link-local", async (_, ask) => {
  expect(await (await ask("127.0.0.1")).text()).toBe("there");
  expect(await (await ask("169.254.169.254", "127.0.0.1")).text()).toBe("there");
  for (const addresses of [["169.254.169.254"], ["fe80::1"], ["::ffff:169.254.0.1", "fd00:ec2::254"]]) {
    await expect(ask(...addresses)).rejects.toMatchObject({ kind: "link-local" });
  }
});

test("a name without an address is not asked", async () => {
  await expect(ask()).rejects.toMatchObject({ kind: "link-local" });
});

/** Answers the next requests. */
const answer = (listener: RequestListener): void => void server.removeAllListeners("request").on("request", listener);
const ownFetch = (signal = never): Promise<Response> => fetchOutside(`http://127.0.0.1:${port}/`, { signal });

test("an answer is read while it arrives, and whoever wants no more of it ends the connection", async () => {
  const closed = new Promise<void>((resolve) => {
    answer((_, response) => {
      response.write("first");
      response.once("close", resolve);
    });
  });
  const { body } = await ownFetch();
  const reader = body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("first");
  await reader?.cancel();
  await closed;
});

test("an answer that is ended while it arrives, or breaks off, is an error", async () => {
  const stop = new AbortController();
  answer((_, response) => void response.write("half"));
  const stopped = await ownFetch(stop.signal);
  stop.abort();
  await expect(stopped.text()).rejects.toThrow();
  answer(
    (_, response) => void response.writeHead(200, { "Content-Length": "10" }).write("half", () => response.destroy()),
  );
  await expect((await ownFetch()).text()).rejects.toThrow();
  const packed = gzipSync("there");
  const cut = packed.subarray(0, packed.length - 4);
  answer((_, response) => void response.writeHead(200, { "Content-Encoding": "gzip" }).end(cut));
  await expect((await ownFetch()).text()).rejects.toThrow();
});

test("a compressed answer is read, and a redirect is not followed", async () => {
  answer(({ headers }, response) => {
    expect(headers["accept-encoding"]).toBe("gzip");
    response.writeHead(200, { "Content-Encoding": "gzip" }).end(gzipSync("there"));
  });
  expect(await (await ownFetch()).text()).toBe("there");
  let asked = 0;
  answer((_, response) => {
    asked++;
    response.writeHead(302, { Location: `http://127.0.0.1:${port}/elsewhere` }).end();
  });
  expect([(await ownFetch()).status, asked]).toEqual([302, 1]);
});
