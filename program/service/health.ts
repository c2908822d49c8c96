import { HealthCheckResponse_ServingStatus as Status } from "../../proto/gen/health_pb.js";

/** What the standard health service tells of each service, and who wants to hear of changes. */
export class Health {
  readonly #services: ReadonlySet<string>;
  readonly #listeners = new Set<() => void>();
  #status = Status.SERVING;

  /** @param services Full names of the services; "" is the server itself and always known. */
  constructor(services: readonly string[]) {
    this.#services = new Set(["", ...services]);
  }

  /** Undefined: there is no such service. */
  status(service: string): Status | undefined {
    return this.#services.has(service) ? this.#status : undefined;
  }

  /** Tells now and after every change, until the returned function is called. */
  watch(service: string, tell: (status: Status) => void): () => void {
    const listener = (): void => tell(this.status(service) ?? Status.SERVICE_UNKNOWN);
    this.#listeners.add(listener);
    listener();
    return () => this.#listeners.delete(listener);
  }

  /** The server is about to go: clients should look for another. */
  leave(): void {
    this.#status = Status.NOT_SERVING;
    for (const listener of this.#listeners) listener();
  }
}
