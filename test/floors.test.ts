// The house rules of docs/architecture.md, checked on the import statements themselves, type imports included.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const top = fileURLToPath(new URL("..", import.meta.url));
const houses = ["proto", "program", "agent", "hub", "web"] as const;

/** Files by floor, lowest first; a folder stands for all in it. A file must be matched by exactly one entry of its house. */
const floors: Readonly<Record<string, readonly (readonly string[])[]>> = {
  agent: [
    ["agent/allow.ts", "agent/clean.ts", "agent/log.ts", "agent/number.ts"],
    ["agent/machine/"],
    ["agent/process/", "agent/source/"],
    ["agent/process.ts", "agent/roster.ts"],
    ["agent/snapshot.ts"],
    ["agent/token.ts"],
    ["agent/capture.ts", "agent/serve/"],
    ["agent/settings.ts", "agent/toml.ts"],
    ["agent/health.ts", "agent/pause.ts"],
    ["agent/server.ts"],
    ["agent/agent.ts"],
    ["agent/main.ts"],
  ],
  hub: [
    ["hub/clock.ts", "hub/fault.ts", "hub/launcher.ts", "hub/log.ts", "hub/servers.ts"],
    ["hub/database/", "hub/live/", "hub/who.ts"],
    ["hub/live.ts", "hub/book/", "hub/history/", "hub/ledger/"],
    ["hub/ingest/", "hub/route/"],
    ["hub/desk.ts", "hub/ingest.ts"],
    ["hub/databases.ts", "hub/input/", "hub/task/", "hub/view/"],
    [
      "hub/parts.ts",
      "hub/http/body.ts",
      "hub/http/budget.ts",
      "hub/http/connections.ts",
      "hub/http/error.ts",
      "hub/http/names.ts",
    ],
    ["hub/settings.ts", "hub/http/openapi.ts", "hub/http/protocol.ts"],
    ["hub/http/application.ts"],
    ["hub/http/server.ts"],
    ["hub/http/socket.ts"],
    ["hub/http/backup.ts"],
    ["hub/backup.ts", "hub/hub.ts", "hub/restore.ts", "hub/watch.ts"],
    ["hub/command/"],
    ["hub/main.ts"],
  ],
  web: [
    ["web/ask.ts", "web/stroke.ts"],
    ["web/choice.ts", "web/feed.ts", "web/history.ts", "web/route.ts", "web/wall.ts"],
    ["web/renew.ts", "web/text/", "web/theme.ts"],
    ["web/language.ts", "web/store.ts"],
    ["web/part/"],
    ["web/frame.tsx", "web/page/"],
    ["web/main.tsx"],
  ],
};

/** Floors within a folder, lowest first: a room is a file with the private folder of its name, "keep.ts" with "keep/". */
const inside: Readonly<Record<string, readonly (readonly string[])[]>> = {
  "hub/history/sqlite/": [
    ["bucket", "bytes", "codec", "database", "key", "lru", "settings", "turns"],
    ["backup", "frame", "names"],
    ["chunk", "row"],
    ["journal"],
    ["ask", "keep"],
    ["file"],
    ["instance"],
    ["store"],
    ["copy"],
  ],
};

/** What stands in a folder for its siblings to import. */
const contracts = new Set([
  "agent/machine/machine.ts",
  "agent/source/source.ts",
  "hub/book/book.ts",
  "hub/command/command.ts",
  "hub/database/database.ts",
  "hub/history/engine.ts",
  "hub/history/store.ts",
  "hub/input/input.ts",
  "hub/route/handler.ts",
  "hub/route/parameter.ts",
  "hub/route/route.ts",
  "hub/task/task.ts",
  "hub/view/view.ts",
  "web/part/part.tsx",
  "web/text/text.ts",
]);

/** The one file (or pair) that may name each outside thing. */
const outside: readonly (readonly [RegExp, RegExp])[] = [
  [/^koffi|koromix/, /^agent\/source\/nvml\//],
  [/^better-sqlite3$/, /^hub\/(database|history\/sqlite)\//],
  [/^uplot/, /^web\/part\/chart\.tsx?$/],
  [/^@grpc\//, /^(program\/service(\.ts|\/)|hub\/input\/poll\/)/],
];

interface Import {
  readonly from: string;
  readonly to: string;
}

const sources = houses.flatMap((house) =>
  readdirSync(join(top, house), { recursive: true, encoding: "utf8" })
    .map((file) => `${house}/${file.split(sep).join("/")}`)
    .filter((file) => /\.tsx?$/.test(file) && !file.includes("/gen/") && !file.endsWith(".d.ts")),
);

const isTest = (file: string): boolean => /\.test\.tsx?$/.test(file);

const imports: readonly Import[] = sources.flatMap((from) =>
  [...readFileSync(join(top, from), "utf8").matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map(([, spec = ""]) => ({
    from,
    to: spec.startsWith(".")
      ? relative(top, normalize(join(top, dirname(from), spec)))
          .split(sep)
          .join("/")
      : spec,
  })),
);

const inner = imports.filter(({ from, to }) => !isTest(from) && houses.some((house) => to.startsWith(`${house}/`)));
const houseOf = (file: string): string => file.slice(0, file.indexOf("/"));

function floorOf(file: string): number {
  const house = floors[houseOf(file)] ?? [];
  const at = house.flatMap((entries, floor) =>
    entries.some((e) => (e.endsWith("/") ? file.startsWith(e) : e === file)) ? [floor] : [],
  );
  // A style sheet or other file beside the entry point belongs to no floor.
  return at.length === 1 ? (at[0] ?? -1) : -1;
}

/** Houses without floors, which those with floors are built on. */
const ground: ReadonlySet<string> = new Set(["proto", "program"]);

/** The folder of a floor that a file lives in: "hub/view/" for "hub/view/report/csv.ts". */
function roomOf(file: string): string {
  const entry = (floors[houseOf(file)] ?? []).flat().find((e) => e.endsWith("/") && file.startsWith(e));
  return entry ?? file;
}

/** Private subfolders that do not bear their owner's name: NVML is NVIDIA's library, and the word everybody knows it by. */
const owners: Readonly<Record<string, string>> = { "agent/source/nvml": "nvidia" };

/** First path segment inside the room: the sibling a file belongs to, whether a file or a private subfolder. */
function siblingOf(file: string): string {
  const rest = file.slice(roomOf(file).length);
  const name = rest.includes("/") ? rest.slice(0, rest.indexOf("/")) : rest.replace(/\.tsx?$/, "");
  return owners[roomOf(file) + name] ?? name;
}

test("there is something to check", () => {
  expect(sources.length).toBeGreaterThan(20);
  expect(inner.length).toBeGreaterThan(20);
});

test("every source file stands on exactly one floor", () => {
  const lost = sources.filter((f) => !ground.has(houseOf(f)) && !isTest(f) && floorOf(f) < 0);
  expect(lost).toEqual([]);
});

/** What a program is made of knows of the wire only the services that are not ours. */
const standard = /^proto\/gen\/(health|reflection)_pb\.js$/;

test("agent, hub and web never import one another; proto imports none of them, and program no word of the domain", () => {
  const bad = inner.filter(({ from, to }) => {
    if (houseOf(from) === houseOf(to)) return false;
    if (houseOf(from) === "program") return !standard.test(to);
    // The page is no program on a machine: it opens no files and listens nowhere.
    if (houseOf(from) === "web") return houseOf(to) !== "proto";
    return !ground.has(houseOf(to)) || houseOf(from) === "proto";
  });
  expect(bad).toEqual([]);
});

test("imports go down, never up", () => {
  const bad = inner.filter(({ from, to }) => houseOf(from) === houseOf(to) && floorOf(to) > floorOf(from));
  expect(bad).toEqual([]);
});

test("siblings never import each other; only all.ts lists them", () => {
  const bad = inner.filter(({ from, to }) => {
    if (houseOf(from) !== houseOf(to) || ground.has(houseOf(from)) || floorOf(from) !== floorOf(to)) return false;
    if (contracts.has(to) || from.endsWith("/all.ts")) return false;
    return roomOf(from) !== roomOf(to) || siblingOf(from) !== siblingOf(to);
  });
  expect(bad).toEqual([]);
});

test.each(Object.entries(inside))(
  "within %s imports go down, and none goes into another room's folder",
  (folder, levels) => {
    const own = inner.filter(({ from, to }) => from.startsWith(folder) && to.startsWith(folder));
    const nameOf = (file: string): string => file.slice(folder.length).replace(/(\.ts$)|\/.*/, "");
    const levelOf = (file: string): number => levels.findIndex((names) => names.includes(nameOf(file)));
    const bad = own.filter(({ from, to }) => {
      if (nameOf(from) === nameOf(to)) return false;
      return !(levelOf(to) < levelOf(from)) || to.slice(folder.length).includes("/");
    });
    expect(bad).toEqual([]);
    const rooms = new Set(sources.filter((file) => file.startsWith(folder) && !isTest(file)).map(nameOf));
    expect([...rooms].sort()).toEqual(levels.flat().sort());
  },
);

test("no import runs in a circle, not even of types", () => {
  const next = Map.groupBy(inner, ({ from }) => from);
  const state = new Map<string, "open" | "done">();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === "open") circles.push([...path.slice(path.indexOf(file)), file].join(" → "));
    if (state.has(file)) return;
    state.set(file, "open");
    for (const { to } of next.get(file) ?? []) visit(to, [...path, file]);
    state.set(file, "done");
  };
  for (const file of sources) visit(file, []);
  expect(circles).toEqual([]);
});

test("each outside thing is named where it belongs and nowhere else", () => {
  const bad = imports.filter(
    ({ from, to }) => !isTest(from) && outside.some(([what, where]) => what.test(to) && !where.test(from)),
  );
  expect(bad).toEqual([]);
});

test("no barrels, no dumping grounds, no file over 400 lines", () => {
  const styles = readdirSync(join(top, "web", "style")).map((file) => `web/style/${file}`);
  const bad = [...sources, ...styles].filter(
    (file) =>
      /(^|\/)(index|utils?|helpers?|common|shared|misc|types)(\.tsx?$|\/)/.test(file) ||
      readFileSync(join(top, file), "utf8").split("\n").length > 400,
  );
  expect(bad).toEqual([]);
});
