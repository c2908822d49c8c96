// What a page is sent: 200 hosts of eight cards at full work, packed as they go over the wire, beside their JSON.
import { gzipSync } from "node:zlib";
import { toJsonString } from "@bufbuild/protobuf";
import { Live } from "../../hub/live.ts";
import { Encoder } from "../../hub/view/feed/encoder.ts";
import { frame } from "../../hub/view/feed/frame.ts";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { crew } from "../../test/crew.ts";

const hosts = 200;
/** Seconds between two answers of a host. */
const interval = 10;

/** Bytes. */
interface FeedSizes {
  /** Of the first event, which tells everything. */
  readonly first: number;
  /** Of an event after every host has answered once more. */
  readonly delta: number;
  /** Of all hosts' JSON, packed. */
  readonly json: number;
}

export function feedSizes(): FeedSizes {
  const fleet = crew(hosts);
  const live = new Live(() => 0);
  const clock = { now: () => 0, after: () => () => {} };
  const encoder = new Encoder({ live, clock, instance: "h", interval: () => interval, page: () => "" });
  for (let i = 0; i < hosts; i++) live.expect(`gpu-${i}`, `10.20.0.${i}:9203`);
  const round = (): string => {
    const answers = fleet.pass(interval);
    for (const [i, info] of answers.entries()) live.received(`gpu-${i}`, info);
    return `[${answers.map((info) => toJsonString(HostInfoSchema, info)).join(",")}]`;
  };
  round();
  encoder.step();
  const first = frame("", encoder.whole()).packed.length;
  const json = gzipSync(round()).length;
  return { first, delta: frame("", encoder.step()).packed.length, json };
}
