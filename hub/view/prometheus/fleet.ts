import { Kind } from "../../../proto/gen/metric_pb.js";
import { metrics } from "../../../proto/hardware.ts";
import { type ExporterInput, exporterInput } from "../../../proto/reading.ts";
import { endLine, familyHead, labels, type Sample, sampleLines, type TextOptions } from "../../../proto/text.ts";
import { hostMetrics } from "../../instrument.ts";
import { turn } from "../body.ts";
import type { SeenHost } from "../fleet.ts";

/** Milliseconds of work before it yields. */
const patienceMs = 4;
/** Hosts between two looks at the time. */
const stride = 16;
/** Characters of one piece of the text. */
const pieceLength = 32_768;

/** A host for a scrape. */
interface ScrapedHost {
  readonly name: string;
  readonly shown: string;
  readonly group: string;
  readonly isUp: boolean;
  /** Seconds since its last report; undefined if there is none. */
  readonly age: number | undefined;
  /** Its last report, if that is current. */
  readonly input: ExporterInput | undefined;
}

interface FleetMetric {
  readonly name: string;
  readonly help: string;
  readonly kind: Kind;
  samples(host: ScrapedHost): readonly Sample[];
}

const ofHub: readonly FleetMetric[] = [
  hubGauge("gohm_host_up", ({ name, isUp }) => [{ labels: labels({ node: name }), value: Number(isUp) }]),
  hubGauge("gohm_host_info", ({ name, shown, group }) => [
    { labels: labels({ node: name, name: shown, group }), value: 1 },
  ]),
  hubGauge("gohm_host_report_age_seconds", ({ name, age }) =>
    age === undefined ? [] : [{ labels: labels({ node: name }), value: age }],
  ),
];

const ofReport: readonly FleetMetric[] = metrics.map(({ name, help, kind, samples }) => ({
  name,
  help,
  kind,
  samples: ({ input }) => (input === undefined ? [] : samples(input)),
}));

function hubGauge(name: keyof typeof hostMetrics, samples: FleetMetric["samples"]): FleetMetric {
  return { name, help: hostMetrics[name], kind: Kind.GAUGE, samples };
}

/** Prepares a host. @param now Unix milliseconds */
export function scrapedHost({ host, shown, info, fresh }: SeenHost, now: number): ScrapedHost {
  const { name, seen, profile } = host;
  // A clock that was set back must not make a report one of the future.
  const age = seen === undefined ? undefined : Math.max(0, now - seen) / 1000;
  return {
    name,
    shown,
    group: profile?.group ?? "",
    isUp: fresh,
    age,
    input: fresh && info !== undefined ? exporterInput(info, name, age) : undefined,
  };
}

/** Lets one of several scrapes work between two turns of other work: many of them delay a poll no more than one does. */
export class Turnstile {
  #last: Promise<void> = Promise.resolve();

  /** Yields to other work, and to scrapes that wait for their turn. */
  readonly pass = (): Promise<void> => {
    this.#last = this.#last.then(turn);
    return this.#last;
  };
}

/**
 * Writes the metrics of all hosts in pieces: of one metric after the other, as the formats require.
 * @param yields Lets other work of the hub go on
 */
export async function* fleetText(
  hosts: readonly ScrapedHost[],
  options: TextOptions,
  yields: () => Promise<void>,
): AsyncGenerator<Uint8Array> {
  let begun = performance.now();
  let text = "";
  for (const metric of [...ofHub, ...ofReport]) {
    let isDeclared = false;
    for (const [i, host] of hosts.entries()) {
      const lines = sampleLines(metric.name, metric.samples(host));
      if (lines.length > 0) {
        if (!isDeclared) text += `${familyHead(metric, options).join("\n")}\n`;
        isDeclared = true;
        text += `${lines.join("\n")}\n`;
      }
      if (text.length >= pieceLength) {
        yield Buffer.from(text);
        text = "";
      }
      if (i % stride === stride - 1 && performance.now() - begun > patienceMs) {
        await yields();
        begun = performance.now();
      }
    }
  }
  if (options.format === "openmetrics") text += `${endLine}\n`;
  if (text !== "") yield Buffer.from(text);
}
