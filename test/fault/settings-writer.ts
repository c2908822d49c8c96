// A process that changes a host of a settings file, as administrators do, until it is killed. First it completes or undoes what
// the process before was doing, and verifies that file and audit log agree. Each line of output is one fact (see
// settings-kill.test.ts).
import { existsSync, readdirSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { openBook } from "../../hub/book/sqlite.ts";
import { systemClock } from "../../hub/clock.ts";
import { Desk } from "../../hub/desk.ts";
import { lineLog } from "../../hub/log.ts";
import { loadSettings, SettingsFile } from "../../hub/watch.ts";

const [, , folder = ""] = process.argv;
const path = join(folder, "settings", "settings.json");
const say = (line: string): void => void writeSync(1, `${line}\n`);
const log = lineLog((line) => writeSync(1, `log ${line}`), systemClock.now);
if (!existsSync(path)) writeFileSync(path, '{\n  // by hand\n  "servers": { "gpu1": "127.0.0.1:1" }\n}\n');
const book = openBook({ folder, clock: systemClock, log, notice: (topic, text) => say(`notice ${topic}: ${text}`) });
const desk = new Desk({ book, clock: systemClock, log });
const given = { flags: {}, env: { GOHM_SETTINGS: path } };
new SettingsFile(given, loadSettings(given)).recover(book, log);

const text = readFileSync(path, "utf8");
const port = Number(/^{\n {2}\/\/ by hand\n {2}"servers": { "gpu1": "127\.0\.0\.1:(\d+)" }\n}\n$/.exec(text)?.[1]);
const [last] = book.audit({ limit: 1 });
const audited = last === undefined ? 1 : Number(String(last.details.address).split(":")[1]);
if (port !== audited) say(`wrong: the file has ${port}, the audit log ${audited}`);
const beside = readdirSync(join(folder, "settings"));
if (beside.length > 1) say(`wrong: ${beside.join(", ")}`);
const safe = join(folder, "safe.txt");
const reported = existsSync(safe) ? Number(readFileSync(safe, "utf8").trim().split("\n").at(-1)) : 1;
if (port !== reported && port !== reported + 1) say(`lost: the file has ${port}, ${reported} was reported`);
say(`verified ${port}`);

const file = new SettingsFile(given, loadSettings(given));
file.watch({ clock: systemClock, log, good: () => {}, bad: (fault) => say(`wrong: ${fault.message}`) });
for (let next = port + 1; next <= 65_535; next++) {
  const address = `127.0.0.1:${next}`;
  desk.do(
    { kind: "owner", origin: "control" },
    {
      name: "node.change",
      needs: "owner",
      target: "gpu1",
      details: { settings: file.path, address },
      write: () => {},
      effect: file.edit("gpu1", { address }),
    },
  );
  say(`safe ${next}`);
}
