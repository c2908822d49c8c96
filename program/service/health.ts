import { HealthCheckResponse_ServingStatus as Status } from "../../proto/gen/health_pb.js";

/** Status of each service in the standard health service, and its watchers. */
export class Health {
  readonly #services: ReadonlySet<string>;
  readonly #listeners = new Set<() => void>();
  #status = Status.SERVING;

  /** @param services Full names of the services; "" is the server itself and is always known. */
  constructor(services: readonly string[]) {
    this.#services = new Set(["", ...services]);
  }

  /** Returns undefined if there is no such service. */
  status(service: string): Status | undefined {
    return this.#services.has(service) ? this.#status : undefined;
  }

  /** Calls `notify` now and after every change, until the returned function is called. */
  watch(service: string, notify: (status: Status) => void): () => void {
    const listener = (): void => notify(this.status(service) ?? Status.SERVICE_UNKNOWN);
    this.#listeners.add(listener);
    listener();
    return () => this.#listeners.delete(listener);
  }

  /** Reports NOT_SERVING, as the server shuts down: clients should look for another. */
  leave(): void {
    this.#status = Status.NOT_SERVING;
    for (const listener of this.#listeners) listener();
  }
}
