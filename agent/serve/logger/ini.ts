/** A parsed ini file. Names of keys are in lower case. */
export interface Ini {
  /** Names of the sections, each with its own keys; [DEFAULT] too. */
  readonly keys: ReadonlyMap<string, readonly string[]>;
  /** Value of a key in its section, else in [DEFAULT]; undefined if neither has it. @throws IniError if a "%" in it is wrong */
  value(section: string, key: string): string | undefined;
}

/** A line or a value that cannot be understood; the message names it. */
export class IniError extends Error {
  override name = "IniError";
}

const defaults = "DEFAULT";

// What Python's str.strip() removes, which is not what trim() removes.
const blank = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const around = new RegExp(`^${blank}+|${blank}+$`, "g");
const atEnd = new RegExp(`${blank}+$`);
const atStart = new RegExp(`^${blank}*`);
const strip = (text: string): string => text.replace(around, "");

/** Lines of each value, as they are read. */
type Draft = Map<string, Map<string, string[]>>;

/**
 * Parses the dialect of Python's configparser.ConfigParser(), as it is without options: "=" or ":" after a key, comments on lines of
 * their own that begin with "#" or ";", none behind a value, values that go on in indented lines, and "%(key)s" and "%%" in values.
 * Unlike there, a byte order mark is allowed.
 * @throws IniError
 */
export function parseIni(text: string): Ini {
  const draft: Draft = new Map([[defaults, new Map()]]);
  let section: { readonly name: string; readonly keys: Map<string, string[]> } | undefined;
  let value: string[] | undefined;
  let valueIndent = 0;
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/);
  for (const [index, line] of lines.entries()) {
    const fail = (what: string): never => {
      throw new IniError(`line ${index + 1}: ${what}`);
    };
    const content = strip(line);
    if (content === "") {
      // An empty line in a value belongs to it; a comment does not.
      value?.push("");
      continue;
    }
    if (/^[#;]/.test(content)) continue;
    const indent = atStart.exec(line)?.[0].length ?? 0;
    if (value !== undefined && indent > valueIndent) {
      value.push(content);
      continue;
    }
    valueIndent = indent;
    const header = /^\[(.+)\]/s.exec(content)?.[1];
    if (header !== undefined) {
      if (header !== defaults && draft.has(header)) fail(`a second section [${header}]`);
      const keys = draft.get(header) ?? new Map<string, string[]>();
      draft.set(header, keys);
      section = { name: header, keys };
      value = undefined;
      continue;
    }
    if (section === undefined) return fail("a key before the first section, such as [SERVER]");
    const [, written, first] = /^([^=:]+)[=:](.*)$/s.exec(content) ?? fail('neither a "key = value" nor a [section]');
    const key = (written ?? "").replace(atEnd, "").toLowerCase();
    if (section.keys.has(key)) fail(`a second ${key} in [${section.name}]`);
    value = [strip(first ?? "")];
    section.keys.set(key, value);
  }
  return iniOf(draft);
}

function iniOf(draft: Draft): Ini {
  // Lines at the end of a value that are empty do not belong to it.
  const joined = (keys: ReadonlyMap<string, readonly string[]> = new Map()): [string, string][] =>
    [...keys].map(([key, lines]) => [key, lines.join("\n").replace(atEnd, "")]);
  return {
    keys: new Map([...draft].map(([name, keys]) => [name, [...keys.keys()]])),
    value(section, key) {
      const all = new Map([...joined(draft.get(defaults)), ...joined(draft.get(section))]);
      const raw = all.get(key);
      return raw === undefined ? undefined : interpolate(raw, all, `[${section}] ${key}`);
    },
  };
}

/** Levels of values within values, as in Python. */
const deepest = 10;

function interpolate(raw: string, all: ReadonlyMap<string, string>, place: string, depth = 1): string {
  if (depth > deepest) throw new IniError(`${place}: values within values are nested deeper than ${deepest} levels`);
  return raw.replace(/%(?:(%)|\(([^)]+)\)s)?/g, (_whole, percent?: string, name?: string) => {
    if (percent !== undefined) return "%";
    if (name === undefined) throw new IniError(`${place}: "%" must be written "%%"`);
    const other = all.get(name.toLowerCase());
    if (other === undefined) throw new IniError(`${place}: "%(${name})s" names no key of this section`);
    return other.includes("%") ? interpolate(other, all, place, depth + 1) : other;
  });
}
