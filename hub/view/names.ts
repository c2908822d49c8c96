import { row, type Table, text } from "../../program/setting.ts";
import { serve } from "../route/handler.ts";
import { nameRoutes } from "../route/names.ts";
import type { View } from "./view.ts";

const table = {
  separator: row({
    name: "names.separator",
    env: "GOHM_NAMES_SEPARATOR",
    default: "\n",
    help: "What stands between two names.",
    reader: text("a text"),
  }),
} satisfies Table;

/** The names of all hosts, for scripts. */
export const names: View<typeof table> = {
  name: "names",
  table,
  async open({ live }, first) {
    let { separator } = first;
    return {
      routes: serve(nameRoutes, {
        names: ({ c }) =>
          c.text(
            live
              .hosts()
              .map(({ name }) => name)
              .join(separator),
          ),
      }),
      change(next) {
        separator = next.separator;
      },
      close: async () => {},
    };
  },
};
