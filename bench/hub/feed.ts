// Sizes of the page's feed for 200 hosts with eight busy cards each, compressed as on the wire, compared with their JSON.
import { gzipSync } from "node:zlib";
import { toJsonString } from "@bufbuild/protobuf";
import { Live } from "../../hub/live.ts";
import { FeedEncoder } from "../../hub/view/feed/encoder.ts";
import { frame } from "../../hub/view/feed/frame.ts";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { busyFleet } from "../../test/busy-fleet.ts";

const hosts = 200;
/** Seconds between two answers of a host. */
const interval = 10;

/** Compressed sizes in bytes. */
interface FeedSizes {
  /** First event, with all hosts. */
  readonly first: number;
  /** Event after one more answer of every host. */
  readonly delta: number;
  /** JSON of all hosts. */
  readonly json: number;
}

export function feedSizes(): FeedSizes {
  const fleet = busyFleet(hosts);
  const live = new Live(() => 0);
  const clock = { now: () => 0, after: () => () => {} };
  const encoder = new FeedEncoder({ live, clock, instance: "h", interval: () => interval, page: () => "" });
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
