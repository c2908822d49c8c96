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
  async open({ folder, clock, log, notice, instruments }, first) {
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
      wrote: (ms) => instruments?.observe("gohm_history_write_seconds", {}, ms / 1000),
    });
    instruments?.read("gohm_history_size_bytes", () => [[{}, store.bytes()]]);
    instruments?.read("gohm_history_unwritten_bytes", () => [[{}, store.unwritten()]]);
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
