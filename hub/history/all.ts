import type { Engine } from "./engine.ts";
import { sqlite } from "./sqlite.ts";

/** The first one keeps the history of this hub. */
export const engines: readonly Engine[] = [sqlite];
