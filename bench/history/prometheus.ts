import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../measure.ts";
import { bytesOf, launch, type Peer, range, rest, samples, selector, type Way } from "./peer.ts";
import type { Question } from "./question.ts";
import { headers, Writer } from "./write.ts";

const threeWays = ["avg", "min", "max"];

export const program = "/usr/bin/prometheus";

/** Prometheus as it ships, with an empty configuration, fed by remote write. */
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

  /** Sums of its own metrics by name. */
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
      // Blocks are cut from the head when it holds three hours: one late sample lets it write all that was measured.
      await client.post(writePath, new Writer([]).marker(end + 4 * 3_600_000), headers);
      const done = async (): Promise<number> =>
        (await metric("prometheus_tsdb_head_min_time")) + (await metric("prometheus_tsdb_compactions_total"));
      await rest(done, 10_000);
    },
    bytes: async () => blocks(data).reduce((sum, block) => sum + bytesOf(join(data, block)), 0),
    ways: (question) => ways(question),
    stop,
  };
}

/** Blocks bear ULIDs; the write-ahead log and the head are not counted. */
const blocks = (data: string): string[] => readdirSync(data).filter((name) => /^[0-9A-Z]{26}$/.test(name));

function ways(question: Question): Way[] {
  const series = selector(question);
  switch (question.shape) {
    case "series":
      return [{ name: "", paths: [range(series, question)] }];
    case "raw":
      return [{ name: "", paths: [samples(series, question)] }];
    case "week":
      return [
        { name: "", paths: threeWays.map((way) => range(`${way}_over_time(${series}[5m])`, question)) },
        { name: "average only", paths: [range(`avg_over_time(${series}[5m])`, question)] },
      ];
    case "fleet":
      return [{ name: "", paths: [range(`avg(avg_over_time(${series}[5m]))`, question)] }];
    default:
      return question.shape satisfies never;
  }
}
