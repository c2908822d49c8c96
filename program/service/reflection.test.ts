import { EventEmitter } from "node:events";
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { HostMonitor } from "../../proto/gen/host_pb.js";
import { ServerReflectionRequestSchema, type ServerReflectionResponse } from "../../proto/gen/reflection_pb.js";
import { Reflection, type ReflectionCall } from "./reflection.ts";

/** A call whose client takes answers when the test says so. */
class Call extends EventEmitter implements ReflectionCall {
  readonly unsent: (() => void)[] = [];
  readonly answers: ServerReflectionResponse[] = [];
  paused = false;
  ended = false;
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  write(answer: ServerReflectionResponse, sent: () => void): void {
    this.answers.push(answer);
    this.unsent.push(sent);
  }
  end(): void {
    this.ended = true;
    this.emit("close");
  }
}

const request = create(ServerReflectionRequestSchema, {
  messageRequest: { case: "fileContainingSymbol", value: "gpu.HostInfo" },
});
const served = new Reflection([HostMonitor.file], [HostMonitor.typeName]);

test("reads the next request when the answer before it is out", () => {
  const call = new Call();
  served.serve(call);
  call.emit("data", request);
  expect([call.answers.length, call.paused]).toEqual([1, true]);
  call.unsent[0]?.();
  expect(call.paused).toBe(false);
  call.emit("end");
  expect(call.ended).toBe(true);
});

test("encodes each descriptor once", () => {
  const [one, two] = [served.answer(request), served.answer(request)].map(({ messageResponse }) =>
    messageResponse.case === "fileDescriptorResponse" ? messageResponse.value.fileDescriptorProto : [],
  );
  expect(one?.length).toBeGreaterThan(1);
  one?.forEach((bytes, i) => {
    expect(two?.[i]).toBe(bytes);
  });
});
