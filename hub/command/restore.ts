import { basename, resolve } from "node:path";
import { fileSize } from "../../proto/quantity.ts";
import { systemClock } from "../clock.ts";
import { databases } from "../databases.ts";
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
    const files = restored.map((database) => basename(database.path));
    for (const database of restored) print(`${database.path}: ${fileSize(database.bytes)}`);
    for (const { noun, file } of databases.filter((kind) => !files.includes(kind.file))) {
      print(`No ${noun} in ${resolve(path)}: the hub begins a new ${file}`);
    }
    return 0;
  },
};
