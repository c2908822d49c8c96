import { backup } from "./backup.ts";
import type { Command } from "./command.ts";
import { completion } from "./completion.ts";
import { help } from "./help.ts";
import { restore } from "./restore.ts";
import { schema } from "./schema.ts";
import { serve } from "./serve.ts";
import { status } from "./status.ts";

/** The first one runs where the command line names none. */
export const commands: readonly [Command, ...Command[]] = [serve, status, backup, restore, schema, completion, help];
