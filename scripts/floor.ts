// Rules for imports, as data: which part of the code may import which. test/floors.test.ts checks them, and
// docs/architecture.md shows them.

/** A top-level folder of the source. */
export interface House {
  readonly name: string;
  readonly holds: string;
  /** Houses that it may import. From others it may import only files to which it has a door. */
  readonly imports: readonly string[];
  /** True for development only: not part of a program. */
  readonly own?: true;
}

/** Houses, lowest first: a house imports none above it. Tests beside the code may import test/, too. */
export const houses: readonly House[] = [
  { name: "proto", holds: "the wire, and what is known of a report on both of its sides", imports: [] },
  { name: "program", holds: "what every program is made of; no word of the domain", imports: [] },
  { name: "agent", holds: "`hmonitor`", imports: ["proto", "program"] },
  { name: "hub", holds: "`gohm`", imports: ["proto", "program"] },
  { name: "web", holds: "the page, which opens no files and listens nowhere", imports: ["proto"] },
  {
    name: "scripts",
    holds: "what builds, starts and documents the programs",
    imports: ["proto", "program"],
    own: true,
  },
  {
    name: "test",
    own: true,
    holds: "tests of whole programs, and what tests share",
    imports: ["proto", "program", "agent", "hub", "web", "scripts"],
  },
  { name: "bench", holds: "what the programs cost", imports: ["proto", "program", "scripts", "test"], own: true },
];

/** Floors, lowest first, each with its files and rooms, relative to the folder; "part/" stands for all in it. */
export type Floors = readonly (readonly string[])[];

/**
 * Floors of houses, and of rooms that have floors of their own. A file with a private folder ("ingest.ts" with "ingest/")
 * is one entry: the file.
 */
export const floors: Readonly<Record<string, Floors>> = {
  "agent/": [
    ["allow.ts", "clean.ts", "log.ts", "number.ts", "token.ts", "upload/"],
    ["machine/"],
    ["source/"],
    ["process.ts", "roster.ts"],
    ["snapshot.ts"],
    ["capture.ts", "serve/"],
    ["settings.ts", "toml.ts"],
    ["health.ts", "pause.ts"],
    ["server.ts"],
    ["agent.ts"],
    ["main.ts"],
  ],
  "hub/": [
    ["clock.ts", "fault.ts", "instrument.ts", "launcher.ts", "log.ts", "sentence.ts", "servers.ts", "systemd.ts"],
    ["cause.ts", "database/", "door/", "live.ts", "notice.ts", "process.ts", "reason.ts", "refusal.ts", "trouble.ts"],
    ["who.ts"],
    ["book/", "front.ts", "health.ts", "history/", "privacy.ts"],
    ["csv/", "databases.ts", "desk.ts", "ingest.ts", "password.ts", "report/", "roster.ts", "route/", "secret.ts"],
    ["first.ts", "identity.ts", "machines.ts", "metered.ts", "push/"],
    ["input/", "view/"],
    ["http/", "task/"],
    ["parts.ts"],
    ["settings.ts"],
    ["backup.ts", "hub.ts", "restore.ts", "watch.ts"],
    ["command/"],
    ["main.ts"],
  ],
  "hub/door/": [
    ["document.ts", "failure.ts", "outgoing.ts", "proxies.ts", "settings.ts", "url.ts"],
    ["person.ts", "provider.ts"],
  ],
  "hub/history/sqlite/": [
    ["bucket.ts", "bytes.ts", "codec.ts", "database.ts", "key.ts", "lru.ts", "pool.ts", "settings.ts", "turns.ts"],
    ["backup.ts", "frame.ts", "names.ts"],
    ["chunk.ts", "row.ts"],
    ["journal.ts"],
    ["ask.ts", "keep.ts"],
    ["file.ts"],
    ["instance.ts"],
    ["store.ts"],
    ["copy.ts"],
  ],
  "hub/report/": [
    ["issue.ts", "number.ts", "place.ts", "report.ts", "request.ts"],
    ["charts.ts", "day.ts", "figures.ts", "form.ts", "runs.ts", "settings.ts", "shelf.ts", "source.ts"],
    ["check.ts", "folder.ts", "holder.ts"],
    ["history.ts", "make.ts", "netdata.ts", "print.ts"],
  ],
  "hub/push/": [
    ["body.ts", "devices.ts", "json.ts", "pace.ts", "rate.ts", "roll.ts", "settings.ts", "timing.ts", "turns.ts"],
    ["registrar.ts"],
  ],
  "hub/csv/": [
    ["form.ts", "kind.ts", "name.ts", "row.ts", "sheet.ts"],
    ["day.ts", "read.ts"],
  ],
  "hub/http/": [
    ["body.ts", "budget.ts", "connections.ts", "error.ts", "machine.ts", "names.ts"],
    ["openapi.ts", "protocol.ts"],
    ["application.ts"],
    ["server.ts"],
    ["socket.ts"],
    ["backup.ts"],
  ],
  "web/": [
    ["ask.ts", "choice.ts", "locale.ts", "route.ts", "stroke.ts", "wall.ts"],
    ["call.ts", "feed.ts", "filter.ts", "history.ts", "renew.ts", "sheet.ts", "theme.ts"],
    ["store.ts", "text/", "viewer.ts"],
    ["language.ts"],
    ["part/"],
    ["frame.tsx", "page/"],
    ["docs.ts", "main.tsx"],
  ],
};

/** Files of a room that its other files may import. */
export const contracts: readonly string[] = [
  "agent/machine/machine.ts",
  "agent/source/source.ts",
  "agent/upload/client.ts",
  "hub/book/book.ts",
  "hub/command/command.ts",
  "hub/database/database.ts",
  "hub/history/engine.ts",
  "hub/history/series.ts",
  "hub/history/store.ts",
  "hub/input/input.ts",
  "hub/route/handler.ts",
  "hub/route/listed-session.ts",
  "hub/route/parameter.ts",
  "hub/route/route.ts",
  "hub/task/task.ts",
  "hub/view/body.ts",
  "hub/view/card.ts",
  "hub/view/fleet.ts",
  "hub/view/lane.ts",
  "hub/view/turns.ts",
  "hub/view/view.ts",
  "web/part/part.tsx",
  "web/text/admin.ts",
  "web/text/report.ts",
  "web/text/said.ts",
  "web/text/text.ts",
];

/** Rooms whose files are rows of an all.ts: others import that list and the contracts, never a row. */
export const lists: readonly string[] = [
  "agent/source/",
  "hub/command/",
  "hub/history/",
  "hub/input/",
  "hub/task/",
  "hub/view/",
  "web/page/",
];

/** Private folders that are not named after the file that they belong to. */
export const owners: Readonly<Record<string, string>> = {
  // NVML is the name of NVIDIA's library.
  "agent/source/nvml/": "agent/source/nvidia.ts",
};

/** An exception to the rules: files that some others may import. */
export interface Door {
  readonly to: readonly string[];
  /** Folders or files. */
  readonly from: readonly string[];
  readonly why: string;
}

export const doors: readonly Door[] = [
  {
    to: ["proto/gen/health_pb.js", "proto/gen/reflection_pb.js"],
    from: ["program/service.ts", "program/service/"],
    why: "services that every gRPC server has; they say nothing of the domain",
  },
  {
    to: ["proto/gen/"],
    from: ["program/service.test.ts", "program/service/reflection.test.ts"],
    why: "a test of the service serves one of ours",
  },
  {
    to: ["agent/settings.ts", "agent/toml.ts", "agent/serve/exporter.ts", "hub/instrument.ts", "hub/settings.ts"],
    from: ["scripts/docs.ts"],
    why: "documents are made from the code",
  },
  {
    to: ["hub/command/all.ts", "hub/command/command.ts", "hub/command/help.ts"],
    from: ["scripts/docs.ts"],
    why: "docs/cli.md is made from the verbs",
  },
  {
    to: ["hub/route/", "hub/http/openapi.ts"],
    from: ["scripts/api.ts"],
    why: "docs/api.md is made from the routes",
  },
  {
    to: ["hub/command/client.ts", "hub/command/help.ts", "hub/command/output.ts"],
    from: ["hub/main.ts"],
    why: "gohm asks the hub, explains and prints in the same way for every verb",
  },
  {
    to: ["hub/settings.ts", "hub/servers.ts"],
    from: ["scripts/start.ts"],
    why: "npm start reads the settings as the hub will",
  },
  {
    to: ["hub/input/poll/channel.ts"],
    from: ["scripts/start.ts", "test/"],
    why: "an agent is asked as the hub asks it",
  },
  {
    to: ["agent/source/nvml/child.ts", "agent/source/nvml/message.ts", "agent/source/nvml/record.ts"],
    from: ["agent/agent.ts", "agent/main.ts"],
    why: "hmonitor is also the process that reads NVML, and records what the driver answers",
  },
  {
    to: ["agent/source/kubelet.ts"],
    from: ["agent/snapshot.ts"],
    why: "the holders of GPUs are found when every source has told of its GPUs",
  },
  {
    to: ["agent/source/nvml/"],
    from: ["test/nvml/"],
    why: "tests of the reader with the C player, which takes the place of the driver",
  },
  {
    to: ["agent/serve/exporter/"],
    from: ["test/scrape.ts"],
    why: "what the exporter makes of a reading, for captured machines",
  },
  {
    to: ["hub/history/sqlite/store.ts"],
    from: [
      "test/store.ts",
      "test/fault/history-writer.ts",
      "test/fault/import-writer.ts",
      "bench/delay.bench.ts",
      "bench/history/",
    ],
    why: "the engine alone: with a clock that is turned by hand, killed while it writes, and measured",
  },
  {
    to: ["hub/history/sqlite/row/section.ts"],
    from: ["hub/history/sqlite/forget.test.ts"],
    why: "looks into rows on disk for what must no longer be there",
  },
  {
    to: ["hub/clock.ts", "hub/log.ts", "hub/live.ts", "hub/history/store.ts"],
    from: ["bench/"],
    why: "the contracts of what is measured alone",
  },
  {
    to: ["hub/view/feed/encoder.ts", "hub/view/feed/frame.ts"],
    from: ["bench/hub/feed.ts"],
    why: "the encoding of the feed is measured alone",
  },
  {
    to: ["hub/route/route.ts"],
    from: [
      "web/call.ts",
      "web/viewer.ts",
      "web/page/admin/call.ts",
      "web/page/reports/call.ts",
      "web/text/admin.ts",
      "web/text/report.ts",
    ],
    why: "types of requests and answers; the page contains none of the routes' code",
  },
  {
    to: ["hub/route/admin.ts"],
    from: ["web/page/admin/call.ts", "web/text/admin.ts"],
    why: "types of the routes of administration",
  },
  {
    to: ["hub/route/v1.ts"],
    from: ["web/page/reports/call.ts", "web/text/report.ts"],
    why: "types of the routes of daily reports",
  },
  {
    to: ["hub/route/session.ts"],
    from: ["web/viewer.ts", "web/text/admin.ts"],
    why: "types of the routes of sessions",
  },
  {
    to: [
      "hub/cause.ts",
      "hub/desk.ts",
      "hub/door/failure.ts",
      "hub/fault.ts",
      "hub/notice.ts",
      "hub/reason.ts",
      "hub/report/issue.ts",
      "hub/sentence.ts",
      "hub/trouble.ts",
    ],
    from: ["web/language.ts", "web/text/"],
    why: "types of what the hub says: the compiler finds a sentence that a language lacks",
  },
  {
    to: ["scripts/board/query.ts"],
    from: ["test/deploy/prometheus.test.ts"],
    why: "the rules of alerts are held against the queries of the board",
  },
];

/** Names that a folder must not import from a file. */
export interface Ban {
  readonly from: string;
  readonly to: string;
  readonly names: readonly string[];
  readonly why: string;
}

export const bans: readonly Ban[] = [
  {
    from: "hub/view/",
    to: "hub/live.ts",
    names: ["Live"],
    why: "a view sees live state as LiveView, which it cannot change",
  },
  ...["hub/input/", "hub/view/", "hub/task/"].map((from) => ({
    from,
    to: "hub/book/sqlite.ts",
    names: ["openBook"],
    why: "parts read the book as BookReader and write it through the desk",
  })),
];

/** A package that the programs depend on. */
export interface Outside {
  /** As in package.json. */
  readonly name: string;
  /** Other names under which it is loaded. */
  readonly also?: readonly string[];
  readonly does: string;
  /** The only folders or files of a program that name it. */
  readonly in: readonly string[];
}

export const outside: readonly Outside[] = [
  {
    name: "@bufbuild/protobuf",
    does: "messages of the wire",
    in: ["proto/", "program/", "agent/", "hub/", "web/"],
  },
  { name: "@grpc/grpc-js", does: "gRPC", in: ["program/service.ts", "program/service/", "hub/input/poll/"] },
  { name: "@hono/node-server", does: "Hono on Node's server", in: ["hub/http/", "hub/view/"] },
  { name: "@preact/signals", does: "state of the page", in: ["web/"] },
  { name: "better-sqlite3", does: "SQLite", in: ["hub/database/", "hub/history/sqlite/"] },
  { name: "@valibot/to-json-schema", does: "the document of the routes", in: ["hub/http/openapi.ts"] },
  { name: "croner", does: "times of day in a zone", in: ["hub/task/report/"] },
  {
    name: "hono",
    does: "routes of HTTP",
    in: [
      "hub/http/",
      "hub/route/handler.ts",
      "hub/view/",
      "hub/hub.ts",
      "hub/input/portal.ts",
      "hub/input/import.ts",
      "hub/push/body.ts",
    ],
  },
  {
    name: "ipaddr.js",
    does: "addresses and networks",
    in: ["program/network.ts", "agent/source/net.ts"],
  },
  { name: "jsonc-parser", does: "JSON with comments", in: ["hub/settings.ts", "hub/watch/edit.ts"] },
  { name: "koffi", also: ["@koromix"], does: "NVIDIA's C library", in: ["agent/source/nvml/koffi.ts"] },
  { name: "openid-client", does: "OpenID Connect", in: ["hub/door/provider.ts"] },
  { name: "preact", does: "the page", in: ["web/"] },
  { name: "smol-toml", does: "the exporter's own file", in: ["agent/toml.ts"] },
  { name: "uplot", does: "charts", in: ["web/part/chart.ts"] },
  {
    name: "valibot",
    does: "schemas of the routes, of JSON in the book, and of what other programs answer",
    in: ["hub/route/", "hub/http/", "hub/book/sqlite/", "hub/report/"],
  },
];

/** Words of the domain, which program/ does not know. */
export const domain = /\b(gpus?|cards?|metrics?|hubs?|agents?|polls?|histor(y|ies)|samples?|nvidia|gohm|hmonitor)\b/i;
