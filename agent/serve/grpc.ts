import type { Certificate } from "../../program/certificate.ts";
import type { ListenAddress } from "../../program/listen.ts";
import { type CallContext, type RunningService, Status, StatusError, startService } from "../../program/service.ts";
import { type HostInfo, HostMonitor } from "../../proto/gen/host_pb.js";
import type { Allow } from "../allow.ts";
import type { log } from "../log.ts";

export interface GrpcOptions {
  readonly allow: Allow;
  /** Undefined for connections that are not encrypted. */
  readonly certificate: Certificate | undefined;
  /** True if a caller with this token may read the machine. */
  readonly admits: (token: string) => boolean;
  readonly collect: () => Promise<HostInfo>;
  readonly log: Pick<typeof log, "warn" | "error">;
  /** Milliseconds, monotonic. */
  readonly ticks: () => number;
}

/**
 * Serves gpu.HostMonitor with health and reflection. Reflection needs the token, too; health does not, for probes.
 * @throws ListenError
 */
export function serveGrpc(at: ListenAddress, options: GrpcOptions): Promise<RunningService> {
  const { allow, certificate, admits, collect, log, ticks } = options;
  const authorize = (token: string): void => {
    if (admits(token)) return;
    const message = "wrong token: GOHM_TOKEN of the agent and poll.token of the hub must be the same";
    throw new StatusError(Status.UNAUTHENTICATED, message);
  };
  return startService(at, {
    name: "gRPC port",
    service: HostMonitor,
    handlers: {
      async getInfo(request, { token }) {
        authorize(request.token || token);
        return await collect();
      },
    },
    reflection: ({ token }: CallContext) => authorize(token),
    ...(certificate && { certificate: () => certificate }),
    allows: allow.allows,
    log,
    ticks,
  });
}
