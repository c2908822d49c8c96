// A hub composed of other parts than its own: what a new input, view or task needs, each of them one file and one line of its all.ts.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test } from "vitest";
import { row, SettingError, type Table, text as words } from "../program/setting.ts";
import { HostInfoSchema } from "../proto/gen/host_pb.js";
import { systemClock } from "./clock.ts";
import { type Hub, start } from "./hub.ts";
import type { Owner } from "./ingest.ts";
import type { Input } from "./input/input.ts";
import { silent } from "./log.ts";
import { parts as installed, listed, type Parts } from "./parts.ts";
import { serve } from "./route/handler.ts";
import { required, text } from "./route/parameter.ts";
import type { Routes } from "./route/route.ts";
import { notes, type Settings, settle } from "./settings.ts";
import type { Task } from "./task/task.ts";
import type { View } from "./view/view.ts";

const word = (part: string, flag: string) =>
  row({
    name: `${part}.word`,
    env: `X_${part.toUpperCase()}`,
    flag,
    default: "none",
    help: "A word.",
    reader: words("a word"),
  });

/** Calls of parts, in order. */
let heard: string[];

const plain = { method: "GET", tag: "test", answer: { "text/plain": "text" }, refuses: [] } as const;
const parrotRoutes = {
  parrot: {
    ...{ ...plain, method: "POST", path: "/parrot/{host}", needs: "open", summary: "Takes the name of a host" },
    params: { host: required("name a host", text({ help: "Name of a host.", example: "a" })) },
  },
} as const satisfies Routes;
const mirrorRoutes = {
  mirror: { ...plain, path: "/mirror", needs: "read", summary: "Names" },
} as const satisfies Routes;
const readerRoutes = {
  reader: { ...plain, path: "/reader", needs: "read", summary: "Audit" },
} as const satisfies Routes;
const clerkRoutes = { clerk: { ...plain, path: "/clerk", needs: "read", summary: "Work" } } as const satisfies Routes;

const parrotTable = { word: word("parrot", "parrot") } satisfies Table;

const owner: Owner = { input: "parrot", origin: "push" };

/** Takes the name of a host by POST, and has it answer with a word as its hostname. */
const parrot: Input<typeof parrotTable> = {
  name: "parrot",
  table: parrotTable,
  open({ ingest }, first) {
    let settings = first;
    return {
      interval: () => 77,
      routes: serve(parrotRoutes, {
        parrot: ({ c, given: { host } }) => {
          ingest.claim(host, owner, "pushed");
          ingest.received(host, create(HostInfoSchema, { hostname: settings.word }), owner);
          return c.text("heard");
        },
      }),
      change(next) {
        settings = next;
        heard.push(`parrot ${next.word}`);
      },
      close: () => void heard.push("parrot closed"),
    };
  },
};

const mirrorTable = { word: word("mirror", "mirror") } satisfies Table;

/** Shows the names by which hosts call themselves. */
const mirror: View<typeof mirrorTable> = {
  name: "mirror",
  table: mirrorTable,
  async open({ live, interval }, first) {
    let { word: sign } = first;
    return {
      place: "mirror on the wall",
      routes: serve(mirrorRoutes, {
        mirror: ({ c }) => c.text(`${sign} ${interval()} ${live.hosts().map(({ info }) => info?.hostname)}`),
      }),
      change(next) {
        sign = next.word;
        heard.push(`mirror ${next.word}`);
      },
      close: async () => void heard.push("mirror closed"),
    };
  },
};

const windowRoutes = {
  window: { ...plain, path: "/window", needs: "read", summary: "A home folder" },
} as const satisfies Routes;

/** Shows a home folder as its client may see it, and notes each change of that. */
const pane: View = {
  name: "window",
  table: {},
  async open({ privacy }) {
    const stop = privacy.onChange(() => heard.push("window changed"));
    return {
      routes: serve(windowRoutes, {
        window: ({ c, by }) => c.text(privacy.maskFor(by)?.path("/home/ada", false) ?? "/home/ada"),
      }),
      close: async () => void stop(),
    };
  },
};

const clerkTable = { word: word("clerk", "clerk") } satisfies Table;

/** Notes each change that it sees. */
const clerk: Task<typeof clerkTable> = {
  name: "clerk",
  table: clerkTable,
  async open({ view, onReading }, first) {
    heard.push(`clerk ${first.word}`);
    const stop = view.live.onChange(() => heard.push(`clerk saw ${view.live.hosts().length}`));
    const end = onReading(({ host, info }) => heard.push(`clerk read ${info.hostname} of ${host}`));
    return {
      routes: serve(clerkRoutes, { clerk: ({ c }) => c.text("at work") }),
      change: (next) => void heard.push(`clerk ${next.word}`),
      close() {
        stop();
        end();
        heard.push("clerk closed");
      },
    };
  },
};

const parts: Parts = { ...installed, inputs: [parrot], views: [mirror], tasks: [clerk] };
let folder: string;
let hub: Hub | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gohm-parts-"));
  heard = [];
});

afterEach(async () => {
  await hub?.close();
  hub = undefined;
  rmSync(folder, { recursive: true });
});

function settings(file: object, env: Record<string, string> = {}, address = "127.0.0.1:0"): Settings {
  const given = { flags: { data: folder, "hub-addr": address }, env };
  return settle(given, () => JSON.stringify(file), listed(parts));
}

const begin = (first: Settings, of: Parts = parts): Promise<Hub> =>
  start({ settings: first, clock: systemClock, random: () => 0, log: silent, version: "1", web: folder }, of);

const get = async (path: string, method = "GET"): Promise<string> =>
  (await fetch(`http://127.0.0.1:${hub?.port}${path}`, { method })).text();

test("an input, a view and a task work with their settings and routes, each named in the list of its kind and nowhere else", async () => {
  hub = await begin(settings({ parrot: { word: "hello" }, mirror: { word: "wall" } }, { X_CLERK: "ink" }));
  expect(await get("/parrot/a", "POST")).toBe("heard");
  expect(await get("/mirror")).toBe("wall 77 hello");
  expect(await get("/clerk")).toBe("at work");
  const { paths } = JSON.parse(await get("/openapi.json")) as { paths: object };
  expect(Object.keys(paths)).toEqual(["/openapi.json", "/mirror", "/clerk", "/parrot/{host}"]);
  expect(hub.places).toEqual(["mirror on the wall"]);
  expect(heard).toEqual(["clerk ink", "clerk saw 1", "clerk saw 1", "clerk read hello of a"]);
});

test("where reading needs an account, routes are closed to strangers on every path, as soon as and as long as the settings say so", async () => {
  hub = await begin(settings({ auth: { read: "login" } }));
  const statuses = () => Promise.all(["/mirror", "/clerk", "/openapi.json"].map(status));
  const status = async (path: string) => (await fetch(`http://127.0.0.1:${hub?.port}${path}`)).status;
  expect(await statuses()).toEqual([401, 401, 200]);
  hub.change(settings({}));
  expect(await statuses()).toEqual([200, 200, 200]);
  hub.change(settings({ auth: { read: "login" } }));
  expect(await statuses()).toEqual([401, 401, 200]);
});

test("privacy.users holds for all views as soon as and as long as the settings say so", async () => {
  const users = (value: string) => settings({ privacy: { users: value } });
  hub = await begin(users("hidden"), { ...parts, views: [pane] });
  expect(await get("/window")).toBe("/home/#1");
  for (const [value, shown] of [
    ["initials", "/home/a."],
    ["shown", "/home/ada"],
    ["hidden", "/home/#1"],
  ] as const) {
    hub.change(users(value));
    expect(await get("/window")).toBe(shown);
  }
  hub.change(users("hidden"));
  expect(heard.filter((one) => one === "window changed")).toHaveLength(3);
  expect(() => users("nobody")).toThrow(/"privacy.users" .*shown/);
});

test("a view cannot change live state, history or book: that does not compile", async () => {
  const meddler: View = {
    ...mirror,
    table: {},
    async open({ live, history, book }) {
      // @ts-expect-error views read
      live.forget("a");
      // @ts-expect-error views read
      history.append({ host: "a", at: 1, devices: [] });
      // @ts-expect-error views read
      history.forget("a");
      // @ts-expect-error views read
      book.write(() => {});
      return { close: async () => {} };
    },
  };
  expect(meddler.name).toBe("mirror");
});

test("change() of a part is called when its own settings have changed, and only then", async () => {
  hub = await begin(settings({}));
  heard = [];
  hub.change(settings({ mirror: { word: "hall" }, hub: { name: "north" }, servers: {} }));
  expect(heard).toEqual(["mirror hall"]);
  hub.change(settings({ mirror: { word: "hall" }, parrot: { word: "ahoy" }, clerk: { word: "pen" } }));
  expect(heard).toEqual(["mirror hall", "clerk pen", "parrot ahoy"]);
});

test("what was opened last is closed first: nothing is received that cannot be seen and kept", async () => {
  hub = await begin(settings({}));
  heard = [];
  await hub.close();
  expect(heard).toEqual(["parrot closed", "clerk closed", "mirror closed"]);
});

test("a part that cannot start ends the start, and those before it are closed", async () => {
  const broken: Task = {
    name: "broken",
    table: {},
    open: () => Promise.reject(new Error("no ink")),
  };
  await expect(begin(settings({}), { ...parts, tasks: [clerk, broken] })).rejects.toThrow("no ink");
  expect(heard).toEqual(["clerk none", "clerk closed", "mirror closed"]);
  // The data folder is free again.
  hub = await begin(settings({}));
});

test("a part that fails to close costs no other part its end, nor history and book theirs", async () => {
  const stuck: Task = {
    name: "stuck",
    table: {},
    open: async () => ({ change: () => {}, close: () => Promise.reject(new Error("no end")) }),
  };
  hub = await begin(settings({}), { ...parts, tasks: [clerk, stuck] });
  heard = [];
  await expect(hub.close()).rejects.toThrow("no end");
  expect(heard).toEqual(["parrot closed", "clerk closed", "mirror closed"]);
  // The data folder is free again.
  hub = await begin(settings({}));
});

test("a part that cannot take a change is logged, and the others get theirs", async () => {
  const stubborn: View<typeof mirrorTable> = {
    ...mirror,
    open: async (...given) => ({
      ...(await mirror.open(...given)),
      change() {
        throw new Error("no");
      },
    }),
  };
  const lines: string[] = [];
  const log = { ...silent, error: (line: string) => void lines.push(line) };
  const first = settings({});
  const options = { settings: first, clock: systemClock, random: () => 0, log, version: "1", web: folder };
  hub = await start(options, { ...parts, views: [stubborn] });
  hub.change(settings({ mirror: { word: "hall" }, clerk: { word: "pen" } }));
  expect(heard).toEqual(["clerk none", "clerk pen"]);
  expect(lines).toEqual([expect.stringMatching(/^mirror cannot take its new settings: Error: no/)]);
});

test("an input that cannot take a change of the machines is logged by its name, and the others get theirs", async () => {
  const stubborn: Input = {
    name: "stubborn",
    table: {},
    open({ roster }) {
      roster.onChange(() => {
        throw new Error("no room");
      });
      return { change: () => {}, close: () => {} };
    },
  };
  const follower: Input = {
    name: "follower",
    table: {},
    open({ roster }) {
      const stop = roster.onChange(() => heard.push(`follower ${[...roster.polled().keys()]}`));
      return { change: () => {}, close: () => void stop() };
    },
  };
  const lines: string[] = [];
  const log = { ...silent, error: (line: string) => void lines.push(line) };
  const first = settings({});
  const options = { settings: first, clock: systemClock, random: () => 0, log, version: "1", web: folder };
  hub = await start(options, { ...parts, inputs: [stubborn, follower] });
  hub.change(settings({ servers: { a: "127.0.0.1:9" }, clerk: { word: "pen" } }));
  expect(heard).toEqual(["clerk none", "follower a", "clerk pen"]);
  expect(lines).toEqual([expect.stringMatching(/^stubborn cannot take the new list of machines: Error: no room\n/)]);
});

test("a setting of a part that is not there is unknown, with the name that it may be", () => {
  expect(() => settle({ flags: {}, env: {} }, () => '{"parrot": {"wort": "x"}}', listed(parts))).toThrow(
    'Unknown setting "parrot.wort" in the settings file: did you mean "parrot.word"?',
  );
  expect(() => settle({ flags: {}, env: {} }, () => '{"parrot": {"word": "x"}}')).toThrow('Unknown setting "parrot"');
});

test("rules between the settings of a part are checked with the rest, and its advice is given with theirs", () => {
  const strict: Task<typeof clerkTable> = {
    ...clerk,
    check({ word }) {
      if (word === "blood") throw new SettingError('Cannot read setting "clerk.word": no blood');
    },
    notes: ({ word }) => [`ink is better than ${word}`],
  };
  const all = listed({ ...installed, tasks: [strict] });
  const settled = (word: string): Settings => settle({ flags: {}, env: { X_CLERK: word } }, () => undefined, all);
  expect(() => settled("blood")).toThrow('Cannot read setting "clerk.word": no blood');
  expect(notes(settled("milk"), all)).toEqual(["ink is better than milk"]);
});

test("an input is not opened where the hub cannot listen: no machine is asked in vain", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  try {
    const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const first = settings({}, {}, address);
    await expect(begin(first)).rejects.toMatchObject({ code: "port_in_use" });
    expect(heard).toEqual(["clerk none", "clerk closed", "mirror closed"]);
  } finally {
    other.close();
  }
});

test("what a task changes at the desk is in the book that views read, at the next start too", async () => {
  const registrar: Task = {
    name: "registrar",
    table: {},
    async open({ desk }) {
      desk.do(
        { kind: "owner", origin: "task" },
        { name: "token.create", needs: "owner", target: "hub", write: () => {} },
      );
      return { change: () => {}, close: () => {} };
    },
  };
  const reader: View = {
    name: "reader",
    table: {},
    open: async ({ book }) => ({
      routes: serve(readerRoutes, {
        reader: ({ c }) => c.json(book.audit({ limit: 10 }).map(({ action }) => action)),
      }),
      close: async () => {},
    }),
  };
  const these = { ...parts, views: [reader], tasks: [registrar] };
  hub = await begin(settings({}), these);
  expect(await get("/reader")).toBe('["token.create"]');
  await hub.close();
  hub = await begin(settings({}), these);
  expect(await get("/reader")).toBe('["token.create","token.create"]');
});

test.each(["0.0.0.0:0", "[::]:0"])(
  "a hub that listens on %s gives an address at which others can open it, and hub.url as soon as that is set",
  async (address) => {
    hub = await begin(settings({}, {}, address));
    const url = hub.url();
    expect(url).toMatch(new RegExp(`^http://.+:${hub.port}$`));
    expect(url).not.toMatch(/0\.0\.0\.0|\[::\]|127\.|localhost/);
    const answer = await fetch(`${url}/mirror`);
    expect(await answer.text()).toMatch(/^none /);
    hub.change(settings({ hub: { url: "https://gpus.lab.example/gohm/" } }));
    expect(hub.url()).toBe("https://gpus.lab.example/gohm");
  },
);

test("a hub that listens on one address gives that one", async () => {
  hub = await begin(settings({}));
  expect(hub.url()).toBe(`http://127.0.0.1:${hub.port}`);
});
