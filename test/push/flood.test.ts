// A flood of registrations from one address and from many.
import { request } from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type LocalHub, localHub } from "../local.ts";

let hub: LocalHub;

beforeEach(async () => {
  hub = await localHub({});
});

afterEach(() => hub.close());

/** Registers from an address of this machine. @returns the status */
function register(hostname: string, from: string, secret?: string): Promise<number> {
  const body = JSON.stringify({
    hostname,
    capabilities: { gpus: [{ index: 0, name: "x" }] },
    ...(secret === undefined ? {} : { secret }),
  });
  return new Promise((resolve, reject) => {
    const sent = request(
      `${hub.url}/api/monitoring/register`,
      {
        method: "POST",
        localAddress: from,
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
      },
      (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode ?? 0));
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

test("of one address 16 wait, of many 256; administrators see it, and a machine with an enrolment token still gets in", async () => {
  const one = await Promise.all(Array.from({ length: 100 }, (_, i) => register(`a${i}`, "127.0.0.66")));
  expect(one.filter((status) => status === 200)).toHaveLength(16);
  expect(one.filter((status) => status === 429)).toHaveLength(84);
  const many: number[] = [];
  for (let net = 1; net <= 20; net++) {
    many.push(...(await Promise.all(Array.from({ length: 16 }, (_, i) => register(`b${net}-${i}`, `127.0.1.${net}`)))));
  }
  expect(many.filter((status) => status === 200)).toHaveLength(240);
  expect(hub.book.nodes()).toHaveLength(256);
  expect(hub.live.notices()).toEqual([expect.stringContaining("256 machines wait for approval")]);
  const refused = hub.book.audit({ limit: 1000, action: "node.register" }).filter(({ result }) => result === "refused");
  expect(refused.length).toBeGreaterThan(0);
  // The log of administration does not grow with every attempt.
  expect(refused.length).toBeLessThanOrEqual(20);
  const secret = await hub.enrolment("lab");
  expect(await register("legit", "127.0.0.66", secret)).toBe(200);
  expect(hub.node("legit").state).toBe("approved");
  await hub.remove("a0");
  expect(hub.live.notices()).toEqual([]);
  expect(await register("c", "127.0.2.1")).toBe(200);
});
