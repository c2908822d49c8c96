import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { HostInfoSchema } from "../../../proto/gen/host_pb.js";
import { oddityOf } from "./oddity.ts";

const usual = create(HostInfoSchema, {
  gpus: [{ uuid: "GPU-1" }, { uuid: "GPU-2" }, { id: 2 }, { id: 3 }, { uuid: "" }],
});

test("a report as usual ones are is nothing to tell", () => {
  expect([oddityOf(usual, "json", 65_536), oddityOf(usual, "sample", 262_144)]).toEqual([undefined, undefined]);
});

test("administrators see that a report is far larger than usual, or has one GPU several times", () => {
  expect(oddityOf(usual, "json", 65_537)?.text).toBe("Its last report had 64 KiB, far more than usual.");
  expect(oddityOf(usual, "sample", 1_000_000)?.text).toBe("Its last report had 977 KiB, far more than usual.");
  const twice = create(HostInfoSchema, { gpus: [{ uuid: "GPU-1" }, { uuid: "GPU-1" }, { uuid: "GPU-1" }] });
  expect(oddityOf(twice, "json", 100)?.text).toBe(
    "In its last report 2 of 3 GPUs have the id of another one: the first one counts.",
  );
});
