// How long a hub takes to end while everybody wants something of it: systemd kills it in the end, and its last samples with it.
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { hubFolder, startHub } from "../../test/hub.ts";
import { lasting } from "../measure.ts";

const hosts = 500;
const viewers = 50;
/** Clients that ask and read nothing. */
const deaf = 100;
const watchers = 20;
/** Seconds between two polls of a host. */
const interval = 5;
const settling = lasting(20_000);

/** Milliseconds in which a hub should end. */
export const mostMs = 5000;

/** @param fleet port of the machines */
export async function endCost(fleet: { readonly grpc: number }): Promise<number> {
  const at = hubFolder();
  const servers = Object.fromEntries(Array.from({ length: hosts }, (_, i) => [`h${i}`, `127.0.0.1:${fleet.grpc}`]));
  at.write({ servers, poll: { interval } });
  const hub = await startHub(at);
  const undo: (() => void)[] = [];
  try {
    await wait(settling);
    const ask = (path: string): Socket => {
      const socket = connect(Number(new URL(hub.url).port), "127.0.0.1").on("error", () => undefined);
      undo.push(() => socket.destroy());
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      return socket;
    };
    for (let i = 0; i < viewers; i++) ask("/feed").resume();
    for (let i = 0; i < deaf; i++) ask(i % 2 === 0 ? "/feed" : "/pk").pause();
    for (let i = 0; i < watchers; i++) {
      const session = connectHttp2(`http://${hub.history}`).on("error", () => undefined);
      undo.push(() => session.destroy());
      const path = "/grpc.health.v1.Health/Watch";
      const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
      session
        .request(headers)
        .on("error", () => undefined)
        .end(Buffer.alloc(5));
    }
    await wait(lasting(interval * 1000));
    const begun = performance.now();
    const status = await hub.stop();
    if (status !== 0) throw new Error(`the hub ended with ${status}: ${hub.output().slice(-1000)}`);
    return performance.now() - begun;
  } finally {
    await hub.stop();
    for (const step of undo) step();
    at.remove();
  }
}

/** Rows for the results. */
export function* endRows(ms: number): Iterable<string> {
  yield "| measured | |";
  yield "|---|---|";
  yield `| the hub ends, with ${hosts} hosts, ${viewers} viewers, ${deaf} clients that read nothing and ${watchers} watchers over gRPC, in | ${ms.toFixed(0)} ms |`;
}
