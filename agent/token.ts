import { createHash, timingSafeEqual } from "node:crypto";

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** Makes a constant-time check of a caller's token; without a shared token every caller passes. */
export function tokenCheck(token: string): (shown: string) => boolean {
  if (token === "") return () => true;
  const wanted = digest(token);
  return (shown) => timingSafeEqual(digest(shown), wanted);
}
