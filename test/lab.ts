// The captured machines as the hosts of a hub, for tests of what views say of a fleet.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fromJsonString } from "@bufbuild/protobuf";
import { type HostInfo, HostInfoSchema } from "../proto/gen/host_pb.js";
import { top } from "./program.ts";

const folder = join(top, "test/capture");

/** The report of a captured machine. Its cards and its other readings may be in separate files. */
function captured(name: string): HostInfo {
  const read = (file: string): HostInfo =>
    fromJsonString(HostInfoSchema, readFileSync(join(folder, name, file), "utf8"));
  const info = read("host.json");
  return existsSync(join(folder, name, "expected.json")) ? { ...info, gpus: read("expected.json").gpus } : info;
}

/** Reports of all captured machines, by the words of their folders' names that tell their cards. */
export function labReports(): Map<string, HostInfo> {
  const names = readdirSync(folder).toSorted();
  return new Map(names.map((name) => [name.split("__")[1] ?? name, captured(name)]));
}
