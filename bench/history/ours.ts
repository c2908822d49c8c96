// Our side: the store in a process of its own while samples come in, then the built hub on the same folder for questions.
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { place, startHub } from "../../test/hub.ts";
import { top } from "../../test/program.ts";
import { Client } from "./client.ts";
import type { Job, Mark } from "./ingest.ts";
import { guard, type Way } from "./peer.ts";
import { devicesOf, type Question, shapes } from "./question.ts";
import { hostName, keyOf } from "./samples.ts";

/** What the samples cost; the last mark is the end. */
export async function ingest(job: Job): Promise<readonly Mark[]> {
  mkdirSync(job.folder, { recursive: true });
  const child = fork(join(top, "bench", "history", "ingest.ts"));
  guard(child);
  const ended = once(child, "exit");
  child.send(job);
  try {
    const [marks] = (await Promise.race([
      once(child, "message"),
      ended.then(([code]) => Promise.reject(new Error(`the store's process ended with ${code}`))),
    ])) as [readonly Mark[]];
    await ended;
    return marks;
  } finally {
    child.kill("SIGKILL");
  }
}

export interface Ours {
  readonly name: string;
  readonly client: Client;
  ways(question: Question): readonly Way[];
  stop(): Promise<void>;
}

/** The built hub on a folder that was filled before. It polls nobody. */
export async function startOurs(data: string): Promise<Ours> {
  const at = { ...place(), data };
  at.write({ servers: {} });
  const hub = await startHub(at);
  guard(hub.child);
  const client = new Client(Number(new URL(hub.url).port));
  const stop = async (): Promise<void> => {
    client.close();
    await hub.stop();
    at.remove();
  };
  return { name: "GOHM", client, ways, stop };
}

function ways(question: Question): Way[] {
  const paths = [pathOf(question)];
  if (question.shape === "fleet") return [{ name: "", paths }];
  return [
    { name: "", paths, accept: "application/x-protobuf" },
    { name: "as JSON", paths, accept: "application/json" },
  ];
}

/** As the page asks. */
function pathOf(question: Question): string {
  const { shape, host, column, from, to } = question;
  const { level, metric } = column;
  const span = `metric=${metric}&from=${from}&to=${to}`;
  if (shape === "fleet") return `/api/fleet/history?${span}&step=${shapes.fleet}`;
  const keys = devicesOf(question).map((device) => `&key=${encodeURIComponent(keyOf(host, { level, device }))}`);
  const of = shape === "week" ? "avg,min,max" : shape === "raw" ? "last" : "avg";
  return `/api/history?host=${hostName(host)}&level=${level}${keys.join("")}&${span}&step=${shapes[shape]}&of=${of}`;
}
