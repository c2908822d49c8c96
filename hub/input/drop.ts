import { readFileSync } from "node:fs";
import { fromJsonString } from "@bufbuild/protobuf";
import { path, row, type Table } from "../../program/setting.ts";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import type { Owner } from "../ingest.ts";
import type { Input } from "./input.ts";

const owner: Owner = { input: "drop", origin: "push" };
const intervalMs = 10_000;

const table = {
  file: row({
    name: "drop.file",
    env: "GOHM_DROP_FILE",
    default: "",
    help: "File with a report as JSON, written by another program; the host has the file's name.",
    reader: path("file"),
  }),
} satisfies Table;

/** Reads the report of one host from a file, again and again. */
export const drop: Input<typeof table> = {
  name: "drop",
  table,
  open({ ingest, clock, log }, first) {
    let file = "";
    let cancel = (): void => {};
    const read = (): void => {
      try {
        ingest.received(file, fromJsonString(HostInfoSchema, readFileSync(file, "utf8")), owner);
      } catch (error) {
        log.warn(`Cannot read a report from ${file}: ${(error as Error).message}`);
        ingest.failed(file, "its report cannot be read", owner);
      }
      cancel = clock.after(intervalMs, read);
    };
    const stop = (): void => {
      cancel();
      if (file !== "") ingest.release(file, owner);
    };
    const start = (next: string): void => {
      stop();
      file = next;
      if (file === "") return;
      ingest.claim(file, owner, file);
      read();
    };
    start(first.file);
    return { change: (next) => start(next.file), close: stop };
  },
};
