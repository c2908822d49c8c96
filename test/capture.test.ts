// Machines that were written down, played back: what the agent makes of each is in its host.json, and what the exporter
// tells of it in its metrics.txt.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { capturedMachine } from "../agent/machine/capture.ts";
import { Snapshot } from "../agent/snapshot.ts";
import { sources } from "../agent/source/all.ts";
import type { Source } from "../agent/source/source.ts";
import { HostInfoSchema } from "../proto/gen/host_pb.js";
import { exposition, type MetricFamily } from "../proto/text.ts";
import { readExposition } from "./exposition.ts";
import { options } from "./machine.ts";
import { familiesOf } from "./scrape.ts";

const top = fileURLToPath(new URL("capture", import.meta.url));
const folders = readdirSync(top).filter((name) => existsSync(join(top, name, "capture.json")));

// NVIDIA's GPUs are the driver's to tell; test/nvml plays it and compares with expected.json.
const host = sources.filter(({ gpus }) => !gpus);
const kernel = sources.filter(({ gpus, name }) => gpus && name !== "nvidia");

async function collect(name: string, chosen: typeof sources): Promise<string> {
  const machine = capturedMachine(join(top, name));
  const snapshot = new Snapshot({ ...options, sources: chosen, machine, version: "" });
  const info = await snapshot.collect();
  // How the reading went is of the reader, not of the machine.
  info.sources = [];
  delete info.agentVersion;
  return `${toJsonString(HostInfoSchema, info, { prettySpaces: 2, useProtoFieldName: true })}\n`;
}

test.each(folders)("the captured host %s gives the recorded report", async (name) => {
  await expect(await collect(name, host)).toMatchFileSnapshot(join(top, name, "host.json"));
});

const cards = folders.filter((name) => existsSync(join(top, name, "sys/class/drm")));

test.each(cards)("the captured host %s gives the recorded GPUs of the kernel's drivers", async (name) => {
  await expect(await collect(name, kernel)).toMatchFileSnapshot(join(top, name, "expected.json"));
});

/** The GPUs that the driver of a captured machine tells of, without the driver. */
function played(folder: string): Source[] {
  const file = join(folder, "expected.json");
  if (!existsSync(file)) return [];
  const read = async () => fromJsonString(HostInfoSchema, readFileSync(file, "utf8"));
  return [{ name: "nvidia", gpus: true, open: async () => ({ read, close: async () => undefined }) }];
}

test.each(folders)("the captured host %s gives the recorded metrics", async (name) => {
  const folder = join(top, name);
  const machine = capturedMachine(folder);
  const snapshot = new Snapshot({ ...options, sources: [...played(folder), ...host], machine, version: "0" });
  const { own, dcgm } = familiesOf(await snapshot.collect());
  const tells = async (families: readonly MetricFamily[], file: string) => {
    const text = exposition(families, { format: "text" });
    if (text !== "") await expect(text).toMatchFileSnapshot(join(folder, file));
    for (const format of ["text", "openmetrics"] as const) readExposition(exposition(families, { format }), format);
  };
  await tells(own, "metrics.txt");
  await tells(dcgm, "dcgm.txt");
});
