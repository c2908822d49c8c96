import { fileSize } from "../../proto/quantity.ts";
import { systemClock } from "../clock.ts";
import { restore as bringBack } from "../restore.ts";
import { started } from "../settings.ts";
import type { Command } from "./command.ts";

export const restore: Command = {
  name: "restore",
  summary: "put what gohm backup made into an empty data folder, while no hub runs there",
  positionals: [{ name: "FILE|FOLDER/", noun: "file or one folder", completion: "file" }],
  needs: "data",
  settings: "taken",
  options: [],
  exits: {
    0: "every database is in its place",
    1: "none of them is",
    2: "the command line cannot be understood",
  },
  async run({ words: [path = ""], given, log, print }) {
    const { data } = started(given);
    const restored = await bringBack({ data, path, clock: systemClock, log });
    for (const database of restored) print(`${database.path}: ${fileSize(database.bytes)}`);
    return 0;
  },
};
