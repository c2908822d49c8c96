// A process that writes to the book until it is killed. First it verifies that every write that earlier processes reported as
// safe is there. Each line of output is one fact (see book-kill.test.ts).
import { hash } from "node:crypto";
import { existsSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { openBook } from "../../hub/book/sqlite.ts";
import { systemClock } from "../../hub/clock.ts";
import { Desk } from "../../hub/desk.ts";
import { lineLog } from "../../hub/log.ts";

const [, , folder = "", life = "0"] = process.argv;
const say = (line: string): void => void writeSync(1, `${line}\n`);
const log = lineLog((line) => writeSync(1, `log ${line}`), systemClock.now);
const book = openBook({
  folder,
  clock: systemClock,
  log,
  notice: (topic, words) => say(`notice ${topic}: ${words?.text}`),
});
const desk = new Desk({ book, clock: systemClock, log });
say("open");

/** Every change is a token and the desk's entry on it: neither is there without the other. */
const targets = new Set<string>();
for (let before: number | undefined; ; ) {
  const page = book.audit({ limit: 1000, before });
  for (const { target } of page) {
    if (targets.has(target)) say(`wrong ${target} has two entries`);
    targets.add(target);
  }
  before = page.at(-1)?.id;
  if (before === undefined) break;
}
const tokens = new Set(book.tokens().map(({ name }) => name));
for (const target of targets) if (!tokens.has(target)) say(`wrong ${target} has no token`);
for (const name of tokens) if (!targets.has(name)) say(`wrong ${name} has no entry`);
const safe = join(folder, "safe.txt");
const told = existsSync(safe) ? readFileSync(safe, "utf8").split("\n").filter(Boolean) : [];
for (const target of told) if (!targets.has(target)) say(`lost ${target}`);
// Each earlier process may have written one change that it could not report before it was killed.
if (targets.size > told.length + Number(life)) say(`wrong ${targets.size} changes, ${told.length} reported`);
say(`verified ${told.length}`);

for (let i = 0; ; i++) {
  const target = `${life}-${i}`;
  desk.do(
    { kind: "owner", origin: "control" },
    {
      name: "token.create",
      needs: "owner",
      target,
      details: { token: "x".repeat(i % 200) },
      write: (writer) =>
        writer.addToken(hash("sha256", target, "buffer"), {
          name: target,
          scope: "read",
          created: i,
          creator: "owner",
          expires: undefined,
        }),
    },
  );
  say(`safe ${target}`);
}
