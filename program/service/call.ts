import {
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from "@grpc/grpc-js/build/src/server-interceptors.js";
import type { CallTracker, Connections } from "../connections.ts";

/** Tracks every call in `connections`. */
export const trackCalls =
  (connections: Connections): ServerInterceptor =>
  (_method, call) =>
    new TrackedCall(
      call,
      connections.track(() => call.getPeer()),
    );

class TrackedCall extends ServerInterceptingCall {
  readonly #tracker: CallTracker;

  constructor(call: ServerInterceptingCallInterface, tracker: CallTracker) {
    super(call, {
      start: (next) =>
        next({
          // A call cancelled before it started gets neither of these two events.
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
