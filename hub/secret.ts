// Secrets that the hub makes: tokens, sessions and one-time links. The book stores only their hashes.
import { createHash, randomBytes } from "node:crypto";
import type { Link } from "./book/book.ts";

/** How long a one-time link may be followed. */
const linkMs = 24 * 3_600_000;

/** A random secret of 256 bits: 43 characters that a header, a cookie and an address can hold. */
export const newSecret = (): string => randomBytes(32).toString("base64url");

/** The SHA-256 of a secret. A slow hash is for passwords: nobody can guess 256 random bits. */
export const hashOf = (secret: string): Uint8Array => createHash("sha256").update(secret).digest();

/** A one-time link that is to be added to the book. */
export interface NewLink {
  readonly hash: Uint8Array;
  readonly link: Link;
  /** Relative to the hub's address. The secret is in the fragment, which no server and no log of a proxy gets. */
  readonly path: string;
}

/** @param now Unix milliseconds */
export function newLink({ name, role }: Pick<Link, "name" | "role">, now: number): NewLink {
  const secret = newSecret();
  return { hash: hashOf(secret), link: { name, role, created: now, expires: now + linkMs }, path: `#/link/${secret}` };
}
