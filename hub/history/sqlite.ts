import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "./engine.ts";
import { copyHistory } from "./sqlite/copy.ts";
import { check, maxSize, notes, retention, table } from "./sqlite/settings.ts";
import { openStore } from "./sqlite/store.ts";

/** Keeps history in one SQLite file, with a journal beside it. */
export const sqlite: Engine<typeof table> = {
  name: "sqlite",
  file: "history.db",
  table,
  check,
  notes,
  async open({ folder, clock, log, notice }, first) {
    let values = first;
    const store = openStore({
      folder,
      clock,
      log,
      retention: () => retention(values),
      maxSize: () => maxSize(values),
      maxDevices: () => values.maxDevices,
      notice,
      trouble: (sentence) => notice("history", sentence),
    });
    return {
      store,
      local: store,
      retentionMs: () => retention(values).raw,
      change(next) {
        values = next;
      },
    };
  },
  async copy(options) {
    if (!existsSync(join(options.folder, "history.db"))) return false;
    await copyHistory(options);
    return true;
  },
};
