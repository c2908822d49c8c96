// The rules of scripts/floor.ts as pure functions of what imports what.
import type { Ban, Door, Floors, House, Outside } from "../scripts/floor.ts";

export interface Import {
  readonly from: string;
  /** A path from the root, or the name of a package. */
  readonly to: string;
  /** What is imported, by the names that it has there; "*" for all. */
  readonly names: readonly string[];
}

/** What scripts/floor.ts declares. */
export interface Plan {
  readonly houses: readonly House[];
  readonly floors: Readonly<Record<string, Floors>>;
  readonly contracts: readonly string[];
  readonly lists: readonly string[];
  readonly owners: Readonly<Record<string, string>>;
  readonly doors: readonly Door[];
  readonly bans: readonly Ban[];
  readonly outside: readonly Outside[];
}

/** Imports of a file by its statements, those of types included, and packages that it finds by their folder. */
export function importsOf(from: string, text: string): Import[] {
  const folder = from.slice(0, from.lastIndexOf("/"));
  const resolve = (spec: string): string =>
    spec.startsWith(".") ? new URL(spec, `file:///${folder}/`).pathname.slice(1) : spec;
  const found = [
    ...text.matchAll(/^(?:import|export)\s+(?:type\s+)?([\w\s{},*$]*?)\s*from\s+"([^"\n]+)"/gm),
    ...text.matchAll(/^import\s+()"([^"\n]+)"/gm),
    ...text.matchAll(/\b(?:import|require|mock)\(\s*()"([^"\n]+)"/g),
    ...text.matchAll(/"node_modules",\s*()"([^"\n]+)"/g),
  ];
  return found.map(([, clause = "", spec = ""]) => ({ from, to: resolve(spec), names: namesOf(clause) }));
}

/** Names of an import clause: `{ type a, b as c }` is a and b. */
function namesOf(clause: string): string[] {
  const [, list] = /\{([^}]*)\}/.exec(clause) ?? [];
  if (list === undefined) return ["*"];
  return list
    .split(",")
    .map((name) =>
      name
        .trim()
        .replace(/^type\s+/, "")
        .replace(/\s+as\s.*$/s, ""),
    )
    .filter((name) => name !== "");
}

export const isTest = (file: string): boolean => /\.test\.tsx?$/.test(file);

const under = (file: string, prefix: string): boolean =>
  prefix.endsWith("/") ? file.startsWith(prefix) : file === prefix;
const isIn = (file: string, prefixes: readonly string[]): boolean => prefixes.some((prefix) => under(file, prefix));
const houseOf = (file: string): string => file.slice(0, file.indexOf("/"));
/** "hub/ingest/" for "hub/ingest.ts", its private folder. */
const privateOf = (file: string): string => file.replace(/(\.test)?\.tsx?$/, "/");

/** Entries of a table of floors that a file belongs to: a room, or a file with its private folder. */
function entriesOf(file: string, folder: string, table: Floors): { entry: string; floor: number }[] {
  return table.flatMap((entries, floor) =>
    entries.flatMap((name) => {
      const entry = folder + name;
      return under(file, entry) || (!entry.endsWith("/") && file.startsWith(privateOf(entry)))
        ? [{ entry, floor }]
        : [];
    }),
  );
}

/** Everything in the imports that the plan does not allow, one line each; none if all is well. */
export function violations(files: readonly string[], imports: readonly Import[], plan: Plan): string[] {
  const inner = imports.filter(({ to }) => plan.houses.some(({ name }) => to.startsWith(`${name}/`)));
  const closed = inner.filter((one) => !doorFor(one, plan.doors));
  const programs = closed.filter(({ from }) => !isTest(from));
  return [
    ...closed.flatMap((one) => houseRule(one, plan.houses)),
    ...closed.flatMap((one) => privateRule(one, files, plan)),
    ...programs.flatMap((one) => listRule(one, plan)),
    ...programs.flatMap((one) => floorRule(one, plan)),
    ...programs.flatMap((one) => banRule(one, plan.bans)),
    ...imports.flatMap((one) => outsideRule(one, plan)),
    ...circles(inner.filter(({ from }) => !isTest(from))),
    ...entryRule(files, imports, plan),
  ];
}

const doorFor = ({ from, to }: Import, doors: readonly Door[]): Door | undefined =>
  doors.find((door) => isIn(to, door.to) && isIn(from, door.from));

/** A house imports those that it names. */
function houseRule({ from, to }: Import, houses: readonly House[]): string[] {
  const [own, other] = [houseOf(from), houseOf(to)];
  const allowed = houses.find(({ name }) => name === own)?.imports ?? [];
  if (own === other || allowed.includes(other) || (isTest(from) && other === "test")) return [];
  return [`${from} imports ${to}: ${own}/ may not import ${other}/`];
}

/** A private folder is imported by its owner, the owner's test, and from inside. */
function privateRule({ from, to }: Import, files: readonly string[], { owners }: Plan): string[] {
  const parts = to.split("/");
  const folders = parts.slice(1, -1).map((_, i) => `${parts.slice(0, i + 2).join("/")}/`);
  return folders.flatMap((folder) => {
    const owner = owners[folder] ?? files.find((file) => !isTest(file) && privateOf(file) === folder);
    if (owner === undefined || from.startsWith(folder) || privateOf(from) === privateOf(owner)) return [];
    return [`${from} imports ${to}: ${folder} is private to ${owner}`];
  });
}

/** Of a room of rows, programs outside import the list and the contracts. */
function listRule({ from, to }: Import, { lists, contracts }: Plan): string[] {
  const room = lists.find((folder) => to.startsWith(folder));
  if (room === undefined || from.startsWith(room) || houseOf(from) === "test") return [];
  if (to === `${room}all.ts` || contracts.includes(to)) return [];
  return [`${from} imports ${to}: only ${room}all.ts names it`];
}

/** Within a house or a room, imports go down; on one floor they go to contracts, and from all.ts. */
function floorRule({ from, to }: Import, { floors, contracts, owners }: Plan): string[] {
  return Object.entries(floors).flatMap(([folder, table]) => {
    const [[a], [b]] = [entriesOf(from, folder, table), entriesOf(to, folder, table)];
    if (a === undefined || b === undefined || a.floor > b.floor) return [];
    if (a.floor < b.floor) return [`${from} imports ${to}: floor ${b.floor} of ${folder} is above floor ${a.floor}`];
    if (a.entry !== b.entry) return [`${from} imports ${to}: both are on floor ${a.floor} of ${folder}`];
    const room = a.entry;
    if (!room.endsWith("/") || floors[room] !== undefined) return [];
    if (contracts.includes(to) || from === `${room}all.ts`) return [];
    if (siblingOf(from, room, owners) === siblingOf(to, room, owners)) return [];
    return [`${from} imports ${to}: they are siblings in ${room}`];
  });
}

/** What stands in a room: a file with its private folder, or a folder. */
function siblingOf(file: string, room: string, owners: Plan["owners"]): string {
  const owned = Object.entries(owners).find(([folder]) => file.startsWith(folder));
  const path = (owned?.[1] ?? file).slice(room.length);
  return path.replace(/(\.tsx?$)|\/.*/s, "");
}

function banRule({ from, to, names }: Import, bans: readonly Ban[]): string[] {
  return bans
    .filter((ban) => under(from, ban.from) && to === ban.to)
    .filter((ban) => names.some((name) => name === "*" || ban.names.includes(name)))
    .map(({ names: banned, why }) => `${from} imports ${banned.join(", ")} of ${to}: ${why}`);
}

/** "@grpc/grpc-js" for "@grpc/grpc-js/build/src/server.js". */
const packageOf = (spec: string): string =>
  spec
    .split("/")
    .slice(0, spec.startsWith("@") ? 2 : 1)
    .join("/");

/** The houses of the programs name a package only where the plan says, and none that it does not know. */
function outsideRule({ from, to }: Import, { houses, outside }: Plan): string[] {
  const ours = houses.some(({ name, own }) => own === true && name === houseOf(from));
  if (ours || isTest(from) || to.startsWith("node:") || houses.some(({ name }) => to.startsWith(`${name}/`))) return [];
  const name = packageOf(to);
  const known = outside.find((one) => one.name === name || one.also?.includes(name));
  if (known === undefined) return [`${from} imports ${name}, which is not declared`];
  return isIn(from, known.in) ? [] : [`${from} imports ${name}, which only ${known.in.join(", ")} may name`];
}

/** Circles of imports, each once. */
function circles(imports: readonly Import[]): string[] {
  const next = Map.groupBy(imports, ({ from }) => from);
  const state = new Map<string, "open" | "done">();
  const found: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === "open") found.push(`a circle: ${[...path.slice(path.indexOf(file)), file].join(" → ")}`);
    if (state.has(file)) return;
    state.set(file, "open");
    for (const { to } of next.get(file) ?? []) visit(to, [...path, file]);
    state.set(file, "done");
  };
  for (const file of next.keys()) visit(file, []);
  return found;
}

/** Each file has one entry, and whatever the plan names is there and is needed. */
function entryRule(files: readonly string[], imports: readonly Import[], plan: Plan): string[] {
  const code = files.filter((file) => !isTest(file));
  const told = (what: string, paths: readonly string[]): string[] =>
    paths.filter((path) => !code.some((file) => under(file, path))).map((path) => `${path} (${what}) is not there`);
  const tables = Object.entries(plan.floors).flatMap(([folder, table]) => {
    const counts = code
      .filter((file) => file.startsWith(folder))
      .map((file) => ({ file, count: entriesOf(file, folder, table).length }));
    const names = table.flat().map((name) => folder + name);
    return [
      ...counts.filter(({ count }) => count !== 1).map(({ file, count }) => `${file} has ${count} floors in ${folder}`),
      ...names.filter((name, i) => names.indexOf(name) !== i).map((name) => `${name} is there twice`),
      ...told("floor", names),
    ];
  });
  return [
    ...tables,
    ...told("contract", plan.contracts),
    ...told(
      "list",
      plan.lists.map((room) => `${room}all.ts`),
    ),
    ...told("owner", Object.entries(plan.owners).flat()),
    ...told(
      "ban",
      plan.bans.flatMap(({ from, to }) => [from, to]),
    ),
    ...unused(imports, plan),
  ];
}

/** Doors that nobody goes through, and places of packages that do not name them. */
function unused(imports: readonly Import[], { doors, outside }: Plan): string[] {
  const closed = doors.flatMap((door) => [
    ...door.to
      .filter((to) => !imports.some((one) => under(one.to, to) && isIn(one.from, door.from)))
      .map((to) => `nobody needs the door to ${to} (${door.why})`),
    ...door.from
      .filter((from) => !imports.some((one) => under(one.from, from) && isIn(one.to, door.to)))
      .map((from) => `${from} needs no door to ${door.to.join(", ")}`),
  ]);
  const places = outside.flatMap(({ name, also = [], in: places }) =>
    places
      .filter((place) => !imports.some(({ from, to }) => under(from, place) && [name, ...also].includes(packageOf(to))))
      .map((place) => `${place} does not name ${name}`),
  );
  return [...closed, ...places];
}
