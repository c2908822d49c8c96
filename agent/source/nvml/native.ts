import { fileURLToPath } from "node:url";

/** koffi's native part as the bundle carries it. */
export interface Native {
  /** Of the unpacked file, hexadecimal. */
  readonly sha256: string;
  /** The file, brotli-compressed, as base64. */
  readonly brotli: string;
}

type Natives = Readonly<Record<string, Native>>;

/**
 * By platform ("linux-x64"). The build replaces this file by one that holds them; in the source tree there are none. A
 * function, for most of the agent's processes need them never, and a constant would be held by each.
 */
export const natives = (): Natives | undefined => undefined;

/** Top of the source tree, where koffi is found under node_modules; undefined in the bundle. */
export const tree: string | undefined = fileURLToPath(new URL("../../../", import.meta.url)) as string | undefined;
