import type { CopySource } from "../database/database.ts";

/** Values that an audit entry records beside its target; never a secret. */
export type AuditDetails = Readonly<Record<string, string | number | boolean | null>>;

/** "done": written in one transaction with the entry. "refused": the actor lacked the right, and nothing was written. */
export type AuditResult = "done" | "refused";

/** Who did what, when and from where. */
export interface AuditEntry {
  /** Unix milliseconds. */
  readonly time: number;
  readonly actor: string;
  /** Network address of the request, or "control" for the control socket. */
  readonly origin: string;
  /** "account.create" */
  readonly action: string;
  readonly target: string;
  readonly details: AuditDetails;
  readonly result: AuditResult;
}

/** A stored entry. Numbers ascend and are never reused. */
export interface NumberedEntry extends AuditEntry {
  readonly id: number;
}

/** A page of the audit log. */
export interface AuditPage {
  /** Only entries with a smaller number: the smallest of the page before. Without it, the newest. */
  readonly before?: number;
  /** 1 to 1000 entries. */
  readonly limit: number;
}

/** Administration that views may read: accounts, sessions, tokens, nodes and the audit log. */
export interface BookReader {
  /** Entries, newest first. @throws Fault bad_request, book_unusable */
  audit(page: AuditPage): readonly NumberedEntry[];
}

/** One transaction: its reads see its own writes. */
export interface BookWriter extends BookReader {
  /** Entries are never changed or removed. @returns the number of the entry */
  appendAudit(entry: AuditEntry): number;
}

/**
 * Stores administration, apart from the reports of machines. All methods are synchronous, so that no change sees another
 * half done. Once `write` returns, the change survives kill -9 and a power failure.
 */
export interface Book extends BookReader, CopySource {
  /**
   * Runs a change in one transaction: if it throws, nothing of it is written.
   * @throws Fault book_unusable, and what the change throws
   */
  write<T>(change: (writer: BookWriter) => T): T;
  close(): void;
}
