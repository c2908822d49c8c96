import { networkOf } from "../../program/network.ts";
import { type CallContext, Status, StatusError, startService } from "../../program/service.ts";
import { address, row, type Table, yes } from "../../program/setting.ts";
import { History, type HistReq } from "../../proto/gen/history_pb.js";
import { packSamples } from "../../proto/history.ts";
import { Fault, type FaultKind } from "../fault.ts";
import { find, type PresentGpus, samples } from "../history/series.ts";
import { until } from "../history/store.ts";
import { admit } from "../who.ts";
import { Turns } from "./turns.ts";
import { counts, type HubView, type View } from "./view.ts";

/** gRPC status of each kind of fault. */
export const statuses: Readonly<Record<FaultKind, Status>> = {
  canceled: Status.CANCELLED,
  unknown: Status.UNKNOWN,
  invalid_argument: Status.INVALID_ARGUMENT,
  deadline_exceeded: Status.DEADLINE_EXCEEDED,
  not_found: Status.NOT_FOUND,
  already_exists: Status.ALREADY_EXISTS,
  permission_denied: Status.PERMISSION_DENIED,
  resource_exhausted: Status.RESOURCE_EXHAUSTED,
  failed_precondition: Status.FAILED_PRECONDITION,
  aborted: Status.ABORTED,
  out_of_range: Status.OUT_OF_RANGE,
  unimplemented: Status.UNIMPLEMENTED,
  internal: Status.INTERNAL,
  unavailable: Status.UNAVAILABLE,
  data_loss: Status.DATA_LOSS,
  unauthenticated: Status.UNAUTHENTICATED,
};

/** Samples in one answer, the newest: 23 days at one every ten seconds, and less than the 4 MiB that clients take. */
const most = 200_000;

/** Answers that are made and sent at the same time: each takes up to 3 MB until its caller has read it. */
const atOnce = { total: 32, perAddress: 4 };

/** Time for calls under way when the hub stops. */
const graceMs = 1000;

const table = {
  reflection: row({
    name: "history.reflection",
    env: "GOHM_HISTORY_REFLECTION",
    default: false,
    help: "Offers server reflection on the gRPC port, for tools such as grpcurl; takes effect when the hub starts.",
    reader: yes,
  }),
  address: row({
    name: "history-addr",
    env: "GOHM_HISTORY_ADDR",
    only: "start",
    default: "0.0.0.0:9204",
    help: "Address and port of the gRPC service gpu.History.",
    reader: address,
  }),
} satisfies Table;

/** gpu.History, with health and, if the settings ask for it, reflection, on a port of its own. */
export const history: View<typeof table> = {
  name: "grpc",
  table,
  async open(hub, settings) {
    const turns = new Turns(atOnce);
    const at = { address: settings.address, setting: "GOHM_HISTORY_ADDR" };
    const { host, port, recheck, close } = await startService(at, {
      name: "gRPC port",
      service: History,
      handlers: {
        async getHistory(request, context) {
          admitReader(hub, context);
          const seen = { ...hub, history: until(hub.history, context.signal) };
          return inTurn(turns, context, () => answer(seen, request));
        },
      },
      reflection: settings.reflection ? (context) => admitReader(hub, context) : undefined,
      statusOf: (error) => (error instanceof Fault ? new StatusError(statuses[error.kind], error.message) : undefined),
      allows: (address) => hub.front.allows(address),
      certificate: () => hub.front.certificate(),
      plain: true,
      closed: (address, reason) => {
        if (reason === "forbidden") hub.refusals.count(address, "connection_forbidden");
      },
      log: hub.log,
      ticks: () => performance.now(),
    });
    hub.front.onChange(recheck);
    return {
      place: `history gRPC on ${host.includes(":") ? `[${host}]` : host}:${port}`,
      close: () => close(graceMs),
    };
  },
};

/** @throws Fault tls_needed, sign_in_needed, access_denied, book_unusable */
function admitReader({ identity, front }: HubView, { address, token, secure }: CallContext): void {
  if (!secure && front.certificate() !== undefined) {
    throw new Fault("tls_needed", "This hub has a certificate: connect to this port with TLS.");
  }
  const authorization = token === "" ? undefined : `Bearer ${token}`;
  const header = (name: string): string | undefined => (name === "authorization" ? authorization : undefined);
  const client = { address, peer: address, secure, host: undefined };
  const by = identity.identify({ method: "GET", header, ...client });
  admit(by, "read", { what: "gpu.History", open: identity.open() });
}

/** Computes an answer in its turn, which ends once both call and query have ended. A call that ends while it waits gets no turn. */
function inTurn<T>(turns: Turns, { address, signal }: CallContext, make: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let made: Promise<void> | undefined;
    const leave = turns.enter(networkOf(address), () => {
      made = make().then(resolve, reject);
    });
    signal.addEventListener("abort", () => (made ? void made.then(leave) : leave()));
  });
}

/** A HistResp, as bytes: a message of 200,000 bigints would keep the polls waiting. */
async function answer(hub: HubView, { id, type, timestamp }: HistReq): Promise<Uint8Array> {
  const { live, history, clock, roster } = hub;
  const present: PresentGpus = new Map(
    live.hosts().map(({ name, info }) => [name, (info?.gpus ?? []).map((gpu) => gpu.id ?? 0)]),
  );
  const names = { keyOf: (name: string) => roster.keyOf(name), counts: (host: string) => counts(hub, host) };
  const wanted = find({ id, type, names }, await history.known(), present);
  // Rounded up: a sample a millisecond before the time asked for is not at or after it.
  const from = Number((timestamp + 999_999n) / 1_000_000n);
  const range = { from, to: clock.now() + 1, step: 0 };
  const [held] = await samples(history, [wanted], { range, most });
  return packSamples(held ?? { t: new Float64Array(), v: new Float64Array() });
}
