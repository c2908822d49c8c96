import { flagOf, type Table, type Values } from "./setting.ts";

/** A part of a program that brings settings of its own. */
export interface Part<T extends Table = Table> {
  readonly name: string;
  /** Its settings; `{}` if it has none. */
  readonly table: T;
  /** Checks rows against one another. @throws SettingError */
  check?(values: Values<T>): void;
  /** Advice for the log on settings that work but should be written otherwise. */
  notes?(values: Values<T>): readonly string[];
}

/** Values by the names of their settings: "listen.address" → ":80". */
export type ValuesByName = Readonly<Record<string, unknown>>;

/**
 * One table of the rows of all parts, by the names of the settings. Rows that are fixed at the start come last.
 * @throws Error if two rows have one name, variable or flag, or if the name of one is a group of another
 */
export function joinTables(parts: readonly Part[]): Table {
  const rows = parts.flatMap(({ name: part, table }) => Object.values(table).map((row) => ({ part, row })));
  const owners = new Map<string, string>();
  const claim = (what: string, part: string): void => {
    const other = owners.get(what);
    if (other !== undefined) throw new Error(`Two settings have the ${what}: one of "${other}" and one of "${part}"`);
    owners.set(what, part);
  };
  for (const { part, row } of rows) {
    claim(`name "${row.name}"`, part);
    if (row.only === "file") continue;
    claim(`flag --${flagOf(row)}`, part);
    claim(`variable ${row.env}`, part);
    if (row.secret) claim(`variable ${row.env}_FILE`, part);
  }
  for (const { row } of rows) {
    const below = rows.find((other) => other.row.name.startsWith(`${row.name}.`));
    if (below) throw new Error(`The setting "${row.name}" cannot have a value: "${below.row.name}" is inside it`);
  }
  const late = ({ row }: (typeof rows)[number]): boolean => row.only === "start";
  const ordered = [...rows.filter((one) => !late(one)), ...rows.filter(late)];
  return Object.fromEntries(ordered.map(({ row }) => [row.name, row]));
}

/** The values of one part's table. */
export function valuesOf<T extends Table>(table: T, all: ValuesByName): Values<T> {
  return Object.fromEntries(Object.entries(table).map(([key, { name }]) => [key, all[name]])) as Values<T>;
}
