import type { Reading } from "./reader.ts";

/** What the parent asks of the process that holds NVML. `open` must have been answered before the others. */
export type ReaderRequest =
  | { readonly kind: "open"; readonly libraries: readonly string[] }
  | { readonly kind: "read" }
  | { readonly kind: "record"; readonly libraries: readonly string[] };

/** The answer; one per request, in order. After a failure the parent ends the process. */
export type ReaderAnswer =
  | { readonly kind: "opened" }
  | { readonly kind: "reading"; readonly reading: Reading }
  /** Lines of nvml.txt. */
  | { readonly kind: "recording"; readonly text: string }
  /** `lacks`: there is no driver here, or no library of it that can be loaded; both are normal. */
  | { readonly kind: "failed"; readonly message: string; readonly lacks: "driver" | "library" | undefined };

/** The hidden command of the agent's program that runs the process. */
export const command = "nvml-reader";
