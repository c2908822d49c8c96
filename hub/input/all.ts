import { importer } from "./import.ts";
import type { Input } from "./input.ts";
import { logger } from "./logger.ts";
import { netdata } from "./netdata.ts";
import { poll } from "./poll.ts";
import { portal } from "./portal.ts";

export const inputs: readonly Input[] = [poll, portal, logger, importer, netdata];
