import { join } from "node:path";
import { freePort } from "../measure.ts";
import { bytesOf, launch, type Peer, type QueryVariant, range, rest, samples, selector } from "./peer.ts";
import type { Question } from "./question.ts";

export const program = "/usr/bin/victoria-metrics";

/** Starts VictoriaMetrics with default settings, except for a retention that covers all samples. */
export async function startVictoriaMetrics(folder: string): Promise<Peer> {
  const port = await freePort();
  const data = join(folder, "victoriametrics");
  const args = [
    `-storageDataPath=${data}`,
    `-httpListenAddr=127.0.0.1:${port}`,
    "-retentionPeriod=3y",
    "-loggerLevel=ERROR",
  ];
  const { pid, client, stop } = await launch(program, args, { port, ready: "/health" });
  return {
    name: "VictoriaMetrics",
    pid,
    client,
    writePath: "/api/v1/write",
    async settle() {
      await client.get("/internal/force_flush");
      await rest(() => bytesOf(data), 5000);
    },
    async bytes() {
      await client.get("/internal/force_merge");
      await rest(() => bytesOf(data), 3000);
      return bytesOf(join(data, "data")) + bytesOf(join(data, "indexdb"));
    },
    variants,
    stop,
  };
}

/** Returns the default variant, and the one without its response cache. */
const both = (path: string, name = ""): QueryVariant[] => [
  { name, paths: [path] },
  { name: name === "" ? "no cache" : `${name}, no cache`, paths: [`${path}&nocache=1`] },
];

function variants(question: Question): QueryVariant[] {
  const series = selector(question);
  switch (question.shape) {
    case "series":
      return both(range(series, question));
    case "raw": {
      const { from, to } = question;
      const match = `match[]=${encodeURIComponent(series)}`;
      const plain = `/api/v1/export?${match}&start=${from / 1000}&end=${(to - 1) / 1000}`;
      return [
        { name: "", paths: [plain] },
        { name: "by query", paths: [samples(series, question)] },
      ];
    }
    case "week":
      // rollup() of MetricsQL returns all three in one query.
      return [
        ...both(range(`rollup(${series}[5m])`, question)),
        ...both(range(`avg_over_time(${series}[5m])`, question), "average only"),
      ];
    case "fleet":
      return both(range(`avg(avg_over_time(${series}[5m]))`, question));
    default:
      return question.shape satisfies never;
  }
}
