import { importer } from "./import.ts";
import type { Input } from "./input.ts";
import { poll } from "./poll.ts";
import { portal } from "./portal.ts";

export const inputs: readonly Input[] = [poll, portal, importer];
