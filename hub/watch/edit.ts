import { findNodeAtLocation, type Node, parseTree } from "jsonc-parser";
import type { ServerChange, Servers } from "../servers.ts";

type Path = readonly string[];

interface ServerEdit {
  readonly name: string;
  /** Undefined removes the server. */
  readonly change: ServerChange | undefined;
  /** Servers that apply if the file has none. */
  readonly defaults: Servers;
}

/**
 * Changes one server in the text of a settings file. Everything else stays byte for byte: comments, order, indentation, line
 * endings and a byte order mark. jsonc-parser's own `modify` is not used, because it removes comments beside a property.
 * @param content a valid settings file that has the server, or has no servers at all
 */
export function editServer(content: string, { name, change, defaults }: ServerEdit): string {
  const mark = content.startsWith("\uFEFF") ? "\uFEFF" : "";
  const bare = content.slice(mark.length);
  const text = find(bare, ["servers"]) === undefined ? add(bare, [], ["servers", JSON.stringify(defaults)]) : bare;
  const path = ["servers", name];
  return mark + (change === undefined ? remove(text, path) : changed(text, path, change));
}

function changed(before: string, path: Path, { address, group, labels = {} }: ServerChange): string {
  let text = before;
  const isObject = (): boolean => find(text, path)?.type === "object";
  if (address !== undefined) text = put(text, isObject() ? [...path, "address"] : path, address);
  if (!isObject()) {
    if ([group, ...Object.values(labels)].every((value) => typeof value !== "string")) return text;
    text = replace(text, path, (written) => `{ "address": ${written} }`);
  }
  if (group !== undefined) text = put(text, [...path, "group"], group);
  const inside = [...path, "labels"];
  // Removed last, so that one that takes its place is written as it was.
  const ordered = Object.entries(labels).toSorted(([, a], [, b]) => Number(a === null) - Number(b === null));
  for (const [label, value] of ordered) {
    if (value !== null && find(text, inside) === undefined) {
      text = add(text, path, ["labels", `{ ${JSON.stringify(label)}: ${JSON.stringify(value)} }`]);
    } else text = put(text, [...inside, label], value);
  }
  return text;
}

/** Sets a text or removes it (null). One that is the same already stays as it is written. */
function put(text: string, path: Path, value: string | null): string {
  const found = find(text, path);
  if (value === null) return found === undefined ? text : remove(text, path);
  if (found === undefined) return add(text, path.slice(0, -1), [path.at(-1) ?? "", JSON.stringify(value)]);
  return found.value === value ? text : replace(text, path, () => JSON.stringify(value));
}

function find(text: string, path: Path): Node | undefined {
  const root = parseTree(text, [], { allowTrailingComma: true });
  return root && findNodeAtLocation(root, [...path]);
}

/** @throws Error if there is no value at the path */
function nodeAt(text: string, path: Path): Node {
  const found = find(text, path);
  if (found === undefined) throw new Error(`The settings file has no ${path.join(".")}`);
  return found;
}

const endOf = ({ offset, length }: Node): number => offset + length;

const splice = (text: string, from: number, to: number, by = ""): string => text.slice(0, from) + by + text.slice(to);

function replace(text: string, path: Path, by: (written: string) => string): string {
  const node = nodeAt(text, path);
  return splice(text, node.offset, endOf(node), by(text.slice(node.offset, endOf(node))));
}

/** Blanks and comments, on one line and on any number. */
const lineGap = /(?:[ \t]+|\/\/[^\r\n]*|\/\*[\s\S]*?\*\/)*/y;
const gap = /(?:\s+|\/\/[^\r\n]*|\/\*[\s\S]*?\*\/)*/y;
const blanks = /[ \t]*/y;
const lineEnding = /\r\n|\n|\r/y;

/** Where a pattern that begins at a position ends. */
function past(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from;
  return pattern.test(text) ? pattern.lastIndex : from;
}

/** Where the blanks before a position begin. */
function beforeBlanks(text: string, to: number): number {
  let at = to;
  while (text[at - 1] === " " || text[at - 1] === "\t") at--;
  return at;
}

/** The line ending before a position that only blanks are before on its line; "" if something else is. */
function endingBefore(text: string, at: number): string {
  const [ending = ""] = /(?:\r\n|\n|\r)$/.exec(text.slice(Math.max(0, at - 2), at)) ?? [];
  return ending;
}

/** Position of the comma after a property; undefined if there is none. */
function commaAfter(text: string, property: Node): number | undefined {
  const next = past(gap, text, endOf(property));
  return text[next] === "," ? next : undefined;
}

/** Adds a property at the end of an object, in the way in which the one before it is written. */
function add(text: string, path: Path, [key, value]: readonly [string, string]): string {
  const object = nodeAt(text, path);
  const property = `${JSON.stringify(key)}: ${value}`;
  const last = object.children?.at(-1);
  if (last === undefined) return splice(text, object.offset + 1, object.offset + 1, property);
  const comma = commaAfter(text, last);
  const end = comma === undefined ? endOf(last) : comma + 1;
  const indent = beforeBlanks(text, last.offset);
  const ending = endingBefore(text, indent);
  const between = ending === "" ? " " : `${ending}${text.slice(indent, last.offset)}`;
  // A comment at the end of the line belongs to the property before.
  const line = past(lineGap, text, end);
  const place = ending !== "" && past(lineEnding, text, line) > line ? line : end;
  const added = splice(text, place, place, `${between}${property}${comma === undefined ? "" : ","}`);
  return comma === undefined ? splice(added, end, end, ",") : added;
}

/** Removes a property with its comma, and its lines if nothing else is on them. Comments beside it stay. */
function remove(text: string, path: Path): string {
  const property = nodeAt(text, path).parent;
  if (property === undefined) throw new Error(`The settings file has no ${path.join(".")} that can be removed`);
  const [from, to] = [property.offset, endOf(property)];
  const own = commaAfter(text, property);
  if (own !== undefined) {
    return past(blanks, text, to) === own ? erase(text, from, own + 1) : erase(splice(text, own, own + 1), from, to);
  }
  const erased = erase(text, from, to, true);
  const siblings = property.parent?.children ?? [];
  const before = siblings[siblings.indexOf(property) - 1];
  const comma = before && commaAfter(text, before);
  return comma === undefined ? erased : splice(erased, comma, comma + 1);
}

/** Removes a range: with its lines if nothing else is on them, else with the blanks after it, or before the last property. */
function erase(text: string, from: number, to: number, isLast = false): string {
  const indent = beforeBlanks(text, from);
  const after = past(blanks, text, to);
  const next = past(lineEnding, text, after);
  const first = endingBefore(text, indent) !== "" || indent === 0;
  if (first) return splice(text, next > after ? indent : from, next);
  return isLast ? splice(text, indent, to) : splice(text, from, after);
}
