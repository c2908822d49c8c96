// Machines that wait for approval, some with hostile names, and a token that has expired.
import { hashOf } from "../../hub/secret.ts";
import { withBook } from "../data.ts";

export const hostile = ["\u001b]0;owned\u0007\u009b31mred\u202e", "=HYPERLINK(1)", "a|b\r\n", "x".repeat(250)] as const;

/** A token that an administrator had once. */
export const expired = `gohm_${"x".repeat(43)}`;

/** Adds "pushing" and those with hostile names to the book in a data folder, which no hub uses meanwhile. */
export function fill(data: string): void {
  withBook(data, (book) =>
    book.write((writer) => {
      for (const [i, hostname] of ["pushing", ...hostile].entries()) {
        const node = {
          hostname,
          host: hostname,
          state: "waiting" as const,
          registered: 1_800_000_000_000,
          origin: "10.0.0.9",
        };
        const gpus = [0, 1].map((index) => ({ index, name: "A100" }));
        writer.addNode({ ...node, capabilities: { gpus, disks: [], nics: [] } }, hashOf(`token ${i}`));
      }
      const token = { name: "old", scope: "admin" as const, created: 1_800_000_000_000, creator: "owner" };
      writer.addToken(hashOf(expired), { ...token, expires: token.created + 1 });
    }),
  );
}
