// Scrapers that ask the exporter again and again and read nothing: before, during and after.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { get } from "node:http";
import { connect, type Socket } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { startAgent } from "../agent.ts";
import { h100 } from "../nvml/rig.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Bytes of memory that a process holds. */
function memory(pid: number | undefined): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

const patience = { timeout: 20_000, interval: 20 };

/** One scrape over a connection of its own, from an address of this machine. */
const scrape = (port: number, localAddress: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path: "/metrics", localAddress, agent: false };
    get(options, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode)).on("error", reject);
    }).on("error", reject);
  });

/** Asks so many times at once and never reads. */
async function slowReader(port: number, times: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", localAddress: "127.0.0.1" });
  socket.on("error", () => undefined); // to be cut off is what it is there for
  socket.pause();
  await Promise.race([once(socket, "connect"), once(socket, "close")]);
  socket.write("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(times));
  return socket;
}

test("600 scrapers that send 50 requests at once and read nothing block no other client, not even of their own address", async () => {
  const agent = await startAgent({ GOHM_METRICS_ADDR: "127.0.0.1:0", GOHM_ROOT: h100, GOHM_NVML: "/nowhere" });
  undo.push(agent.stop);
  const [, found] = await agent.program.line(/^Metrics: http:\/\/127\.0\.0\.1:(\d+)/m);
  const port = Number(found);
  expect(await scrape(port, "127.0.0.1")).toBe(200);
  const before = memory(agent.program.child.pid);

  const readers: Socket[] = [];
  undo.push(() => {
    for (const socket of readers) socket.destroy();
  });
  for (let i = 0; i < 6; i++) {
    readers.push(...(await Promise.all(Array.from({ length: 100 }, () => slowReader(port, 50)))));
  }
  for (const address of ["127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.2"]) {
    expect(await scrape(port, address), address).toBe(200);
  }
  expect(memory(agent.program.child.pid) - before).toBeLessThan(150 * 2 ** 20);

  for (const socket of readers) socket.destroy();
  await vi.waitFor(async () => expect(await scrape(port, "127.0.0.1")).toBe(200), patience);
  expect((await agent.info()).hostname).toBe("dgx-01");
});
