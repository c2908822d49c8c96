import { accountCommands } from "./account.ts";
import { audit } from "./audit.ts";
import { backup } from "./backup.ts";
import type { Command } from "./command.ts";
import { completion } from "./completion.ts";
import { exportFile } from "./export.ts";
import { help } from "./help.ts";
import { importFiles } from "./import.ts";
import { nodeCommands } from "./node.ts";
import { report } from "./report.ts";
import { restore } from "./restore.ts";
import { schema } from "./schema.ts";
import { serve } from "./serve.ts";
import { status } from "./status.ts";
import { tokenCommands } from "./token.ts";

/** The first one runs where the command line names none. */
export const commands: readonly [Command, ...Command[]] = [
  serve,
  status,
  ...nodeCommands,
  ...accountCommands,
  ...tokenCommands,
  importFiles,
  exportFile,
  report,
  audit,
  backup,
  restore,
  schema,
  completion,
  help,
];
