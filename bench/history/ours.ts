// GOHM in the history benchmark: the store in a process of its own for writing, then the built hub on its folder for queries.
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { hubFolder, startHub } from "../../test/hub.ts";
import { top } from "../../test/program.ts";
import { Client } from "./client.ts";
import type { Job, Mark } from "./ingest.ts";
import { guard, type QueryVariant } from "./peer.ts";
import { devicesOf, type Question, shapes } from "./question.ts";
import { hostName, keyOf } from "./samples.ts";

/** Appends the samples of a job in a process of its own and returns its checkpoints; the last one is the end. */
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
  variants(question: Question): readonly QueryVariant[];
  stop(): Promise<void>;
}

/** Starts the built hub on a data folder with samples, without hosts to poll. */
export async function startOurs(data: string): Promise<Ours> {
  const at = { ...hubFolder(), data };
  at.write({ servers: {} });
  const hub = await startHub(at);
  guard(hub.child);
  const client = new Client(Number(new URL(hub.url).port));
  const stop = async (): Promise<void> => {
    client.close();
    await hub.stop();
    at.remove();
  };
  return { name: "GOHM", client, variants, stop };
}

function variants(question: Question): QueryVariant[] {
  const paths = [pathOf(question)];
  if (question.shape === "fleet") return [{ name: "", paths }];
  return [
    { name: "", paths, accept: "application/x-protobuf" },
    { name: "as JSON", paths, accept: "application/json" },
  ];
}

/** Returns the URL path that the page would request. */
function pathOf(question: Question): string {
  const { shape, host, column, from, to } = question;
  const { level, metric } = column;
  const span = `metric=${metric}&from=${from}&to=${to}`;
  if (shape === "fleet") return `/api/fleet/history?${span}&step=${shapes.fleet}`;
  const keys = devicesOf(question).map((device) => `&key=${encodeURIComponent(keyOf(host, { level, device }))}`);
  const of = shape === "week" ? "avg,min,max" : shape === "raw" ? "last" : "avg";
  return `/api/history?host=${hostName(host)}&level=${level}${keys.join("")}&${span}&step=${shapes[shape]}&of=${of}`;
}
