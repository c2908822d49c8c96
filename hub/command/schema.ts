import { jsonSchema } from "../../program/setting.ts";
import { table } from "../settings.ts";
import type { Command } from "./command.ts";

export const schema: Command = {
  name: "schema",
  summary: "print the JSON Schema of the settings file",
  positionals: [],
  needs: "nothing",
  settings: "taken",
  options: [],
  exits: { 0: "it was printed", 1: "the command line cannot be understood" },
  async run({ print }) {
    print(JSON.stringify(jsonSchema(table, "Settings of the GOHM hub"), null, 2));
    return 0;
  },
};
