import { fileSize } from "../../proto/quantity.ts";
import { backUp, isFolderBackup } from "../backup.ts";
import { systemClock } from "../clock.ts";
import { started } from "../settings.ts";
import type { Command } from "./command.ts";

export const backup: Command = {
  name: "backup",
  summary: "copy the history into a new file, or every database into a new folder, whether the hub runs or not",
  details:
    "A path that ends with a slash, or is a folder, gets every database: the history and administration data. Any other path gets the history alone.",
  positionals: [{ name: "FILE|FOLDER/", noun: "file or one folder", completion: "file" }],
  needs: "data",
  settings: "taken",
  options: [],
  exits: { 0: "the copy is complete", 1: "there is no copy, or the command line cannot be understood" },
  /** Needs only the data folder: a settings file that cannot be read does not prevent a backup. */
  async run({ words: [path = ""], given, log, print }) {
    const { data } = started(given);
    const whole = isFolderBackup(path);
    const copied = await backUp({ data, path, clock: systemClock, log });
    if (!whole) print("This is the history alone; gohm backup FOLDER/ copies every database.");
    for (const copy of copied) print(`${copy.path}: ${fileSize(copy.bytes)}`);
    return 0;
  },
};
