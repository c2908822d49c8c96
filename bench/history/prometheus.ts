import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../measure.ts";
import { bytesOf, launch, type Peer, type QueryVariant, range, rest, samples, selector } from "./peer.ts";
import type { Question } from "./question.ts";
import { headers, Writer } from "./write.ts";

const aggregates = ["avg", "min", "max"];

export const program = "/usr/bin/prometheus";

/** Starts Prometheus with an empty configuration. Samples are written by remote write. */
export async function startPrometheus(folder: string): Promise<Peer> {
  const port = await freePort();
  const config = join(folder, "prometheus.yml");
  const data = join(folder, "prometheus");
  writeFileSync(config, "global: {}\n");
  const args = [
    `--config.file=${config}`,
    `--storage.tsdb.path=${data}`,
    `--web.listen-address=127.0.0.1:${port}`,
    "--web.enable-remote-write-receiver",
    "--log.level=warn",
  ];
  const { pid, client, stop } = await launch(program, args, { port, ready: "/-/ready" });
  const writePath = "/api/v1/write";

  /** Returns the sum of one of its own metrics over all labels. */
  const metric = async (name: string): Promise<number> => {
    const page = (await client.get("/metrics")).body.toString();
    return [...page.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "gm"))].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    );
  };
  return {
    name: "Prometheus",
    pid,
    client,
    writePath,
    async settle(end) {
      // A block is written when the head has three hours: a sample of a later time makes it write all samples.
      await client.post(writePath, new Writer([]).marker(end + 4 * 3_600_000), headers);
      const done = async (): Promise<number> =>
        (await metric("prometheus_tsdb_head_min_time")) + (await metric("prometheus_tsdb_compactions_total"));
      await rest(done, 10_000);
    },
    bytes: async () => blocks(data).reduce((sum, block) => sum + bytesOf(join(data, block)), 0),
    variants: (question) => variants(question),
    stop,
  };
}

/** Returns the folders of blocks, which are named by ULIDs; the write-ahead log and the head are not counted. */
const blocks = (data: string): string[] => readdirSync(data).filter((name) => /^[0-9A-Z]{26}$/.test(name));

function variants(question: Question): QueryVariant[] {
  const series = selector(question);
  switch (question.shape) {
    case "series":
      return [{ name: "", paths: [range(series, question)] }];
    case "raw":
      return [{ name: "", paths: [samples(series, question)] }];
    case "week":
      return [
        { name: "", paths: aggregates.map((aggregate) => range(`${aggregate}_over_time(${series}[5m])`, question)) },
        { name: "average only", paths: [range(`avg_over_time(${series}[5m])`, question)] },
      ];
    case "fleet":
      return [{ name: "", paths: [range(`avg(avg_over_time(${series}[5m]))`, question)] }];
    default:
      return question.shape satisfies never;
  }
}
