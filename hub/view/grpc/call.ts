import * as grpc from "@grpc/grpc-js";
import type { CallTracker, Connections } from "../../../program/connections.ts";

/** Tracks every call in `connections`. */
export const trackCalls =
  (connections: Connections): grpc.ServerInterceptor =>
  (_method, call) =>
    new TrackedCall(
      call,
      connections.track(() => call.getPeer()),
    );

class TrackedCall extends grpc.ServerInterceptingCall {
  readonly #tracker: CallTracker;

  constructor(call: grpc.ServerInterceptingCallInterface, tracker: CallTracker) {
    super(call, {
      start: (next) =>
        next({
          // A call that was cancelled before it started gets neither of the two.
          onReceiveMetadata: (metadata, pass) => {
            tracker.begin();
            pass(metadata);
          },
          onCancel: () => tracker.end(),
        }),
    });
    this.#tracker = tracker;
  }

  override sendMessage(message: unknown, callback: () => void): void {
    this.#tracker.sending();
    super.sendMessage(message, () => {
      this.#tracker.sent();
      callback();
    });
  }
}
