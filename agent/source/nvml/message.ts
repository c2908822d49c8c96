import type { Reading } from "./reader.ts";

/** Requests of the parent to the NVML reader. `open` must be answered before the others are sent. */
export type ReaderRequest =
  | { readonly kind: "open"; readonly libraries: readonly string[] }
  | { readonly kind: "read" }
  | { readonly kind: "record"; readonly libraries: readonly string[] };

/** Answers of the NVML reader, one for each request, in order. After a failure the parent ends the process. */
export type ReaderAnswer =
  | { readonly kind: "opened" }
  | { readonly kind: "reading"; readonly reading: Reading }
  /** Lines of nvml.txt. */
  | { readonly kind: "recording"; readonly text: string }
  /** `lacks`: there is no driver, or no library of it that can be loaded; both are normal. */
  | { readonly kind: "failed"; readonly message: string; readonly lacks: "driver" | "library" | undefined };

/** Hidden command of hmonitor that runs the NVML reader. */
export const command = "nvml-reader";
