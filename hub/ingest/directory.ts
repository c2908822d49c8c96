import type { HostConfig } from "../book/book.ts";
import type { HostProfile } from "../live.ts";

/** What administrators have set for hosts, by their names: see `Roster`. */
export interface HostDirectory {
  profile(host: string): HostProfile | undefined;
  /** Which devices are kept; undefined for all. */
  config(host: string): HostConfig | undefined;
  /** False if the host is a machine that reports by itself and waits for approval. */
  approved(host: string): boolean;
  onChange(listener: () => void): () => void;
}
