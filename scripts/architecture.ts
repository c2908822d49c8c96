// Generates the tables of houses and floors in docs/architecture.md; the rest of it is written by hand.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Floors, floors, houses, outside } from "./floor.ts";

const begin = "<!-- Made by npm run docs from scripts/floor.ts. -->\n";
const end = "<!-- End of what is made. -->\n";

/** Returns the document with current tables. @throws Error if the comments around the tables are missing */
export function architecture(): string {
  const text = readFileSync(fileURLToPath(new URL("../docs/architecture.md", import.meta.url)), "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from)
    throw new Error("docs/architecture.md must have the comments that enclose its generated tables");
  return `${text.slice(0, from)}${begin}\n${tables()}\n${text.slice(to)}`;
}

const code = (text: string): string => `\`${text}\``;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `|${cells.map((cell) => ` ${cell} |`.replace("  |", " |")).join("")}`;
  return `${[line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n")}\n`;
}

function tables(): string {
  const rooms = Object.keys(floors);
  const whole = rooms.filter((folder) => folder.indexOf("/") === folder.length - 1);
  return [
    table(
      ["house", "holds", "imports"],
      houses.map(({ name, holds, imports }) => [
        code(`${name}/`),
        holds,
        imports.map((one) => code(`${one}/`)).join(" "),
      ]),
    ),
    "Floors of houses, the lowest first. A folder stands for all in it; private folders are not listed.\n",
    floorTable(whole),
    "Floors of rooms:\n",
    floorTable(rooms.filter((folder) => !whole.includes(folder))),
    "Packages that the programs depend on:\n",
    table(
      ["package", "for", "named in"],
      outside.map(({ name, does, in: places }) => [code(name), does, places.map(code).join(" ")]),
    ),
  ].join("\n");
}

/** Writes a table with a column for each folder and a row for each floor. */
function floorTable(folders: readonly string[]): string {
  const columns = folders.map((folder): Floors => floors[folder] ?? []);
  const rows = Array.from({ length: Math.max(...columns.map(({ length }) => length)) }, (_, floor) => [
    String(floor),
    ...columns.map((column) => (column[floor] ?? []).map((name) => code(name.replace(/\.tsx?$/, ""))).join(" ")),
  ]);
  return table(["floor", ...folders.map(code)], rows);
}
