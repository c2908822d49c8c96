import * as grpc from "@grpc/grpc-js";
import type { PlacedCall, Places } from "../../../program/connections.ts";

/** Notes every call in `places`. */
export const noteCalls =
  (places: Places): grpc.ServerInterceptor =>
  (_method, call) =>
    new NotedCall(
      call,
      places.call(() => call.getPeer()),
    );

class NotedCall extends grpc.ServerInterceptingCall {
  readonly #placed: PlacedCall;

  constructor(call: grpc.ServerInterceptingCallInterface, placed: PlacedCall) {
    super(call, {
      start: (next) =>
        next({
          // A call that was cancelled before it started gets neither of the two.
          onReceiveMetadata: (metadata, pass) => {
            placed.begin();
            pass(metadata);
          },
          onCancel: () => placed.end(),
        }),
    });
    this.#placed = placed;
  }

  override sendMessage(message: unknown, callback: () => void): void {
    this.#placed.sending();
    super.sendMessage(message, () => {
      this.#placed.sent();
      callback();
    });
  }
}
