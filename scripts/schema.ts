import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { DescEnum, DescField, DescFile, DescMessage } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import type { Plugin } from "esbuild";

/** Presence of fields that are marked "optional", as the library numbers it. */
const explicit = 1;

/**
 * Gives the page its messages as a table of fields, and a decoder of 40 lines over the library's reader of the wire. The library
 * itself parses descriptors, by descriptors of descriptors: 15 KB more, compressed, which the page needs for nothing else.
 */
export const tableOfFields: Plugin = {
  name: "table-of-fields",
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^@bufbuild\/protobuf$/ }, ({ path }) => ({ path, namespace: "schema" }));
    onLoad({ filter: /.*/, namespace: "schema" }, () => ({
      contents: runtime,
      loader: "js",
      resolveDir: import.meta.dirname,
    }));
    onLoad({ filter: /proto\/gen\/\w+_pb\.js$/ }, async ({ path }) => {
      const module = (await import(path)) as Readonly<Record<string, unknown>>;
      const file = Object.values(module).find((one): one is DescFile => isDescriptor(one) && one.kind === "file");
      if (file === undefined) throw new Error(`${path} has no descriptor of a file`);
      return { contents: moduleOf(file, readFileSync(path, "utf8")), loader: "ts" };
    });
  },
};

const isDescriptor = (value: unknown): value is { readonly kind: string } =>
  typeof value === "object" && value !== null && "kind" in value;

/** A module with the same exports, which are used. @param source the generated one, whose imports name other files */
function moduleOf(file: DescFile, source: string): string {
  const others = new Map<DescFile, string>();
  for (const [, name = "", from = ""] of source.matchAll(/import \{ file_(\w+) \} from "(\.\/\w+_pb\.js)"/g)) {
    const other = file.dependencies.find((one) => basename(one.name) === name);
    if (other !== undefined) others.set(other, from);
  }
  const imports = new Map<string, string>();
  const nameOf = (message: DescMessage): string => {
    const name = `${message.name}Schema`;
    const from = others.get(message.file);
    if (from !== undefined) imports.set(name, from);
    return name;
  };
  const enums = file.enums.map((one) => `export ${enumOf(one)}`);
  const own = file.messages.map(
    (message) => `export const ${message.name}Schema = /*@__PURE__*/ messageOf(${JSON.stringify(message.typeName)},
    ${JSON.stringify(message.fields.map(fieldOf).join(" "))}, () => [${message.fields
      .flatMap((field) => field.message ?? [])
      .map(nameOf)
      .join(", ")}]);`,
  );
  const lines = [...imports].map(([name, from]) => `import { ${name} } from "${from}";`);
  return ['import { messageOf } from "@bufbuild/protobuf";', ...lines, ...enums, ...own].join("\n");
}

const enumOf = ({ name, values }: DescEnum): string =>
  `enum ${name} { ${values.map(({ localName, number }) => `${localName} = ${number}`).join(", ")} }`;

/** A field as one word: its name, what it is, and its number. @throws Error for one that the page's table cannot have */
function fieldOf(field: DescField): string {
  const { localName, number } = field;
  const isMap = field.fieldKind === "map";
  const isText = field.scalar === ScalarType.STRING;
  const fits =
    field.oneof === undefined &&
    field.scalar !== ScalarType.BYTES &&
    !("delimitedEncoding" in field && field.delimitedEncoding) &&
    (!isText || field.utf8Validation) &&
    (!isMap || (field.mapKind === "scalar" && field.mapKey === ScalarType.STRING)) &&
    (field.enum?.open ?? true);
  if (!fits) throw new Error(`${field.parent.typeName}.${localName} has a form that the page's decoder does not know`);
  const what = field.message ? "m" : field.enum ? "e" : String(field.scalar);
  const isExplicit = field.presence === explicit && field.message === undefined;
  const how = isMap ? "%" : field.fieldKind === "list" ? "*" : isExplicit ? "?" : "!";
  return `${localName}${how}${what}:${number}`;
}

const { STRING, BYTES } = ScalarType;
/** Methods of the library's reader by type: "uint32". */
const readers = Object.entries(ScalarType).flatMap(([name, type]) =>
  typeof type === "number" && type !== BYTES ? [[type, name.toLowerCase()]] : [],
);

/** What the page uses of the library: it reads fields with the library's reader. Unknown fields are left out. */
const runtime = `
import { BinaryReader } from "@bufbuild/protobuf/wire";
export const ScalarType = ${JSON.stringify(Object.fromEntries(Object.entries(ScalarType).filter(([, type]) => typeof type === "number")))};
const readers = ${JSON.stringify(Object.fromEntries(readers))};
const zeros = { ${STRING}: "", ${ScalarType.BOOL}: false, ${[ScalarType.INT64, ScalarType.UINT64, ScalarType.FIXED64, ScalarType.SFIXED64, ScalarType.SINT64].map((type) => `${type}: 0n`).join(", ")} };
export function messageOf(typeName, table, messages) {
  const desc = { typeName, get fields() {
    const others = messages();
    const fields = table.match(/\\S+/g)?.map((word) => {
      const [, localName, how, what, number] = /(\\w+)(\\W)(\\w+):(\\d+)/.exec(word);
      const isMessage = what === "m";
      const isEnum = what === "e";
      const kind = isMessage ? "message" : isEnum ? "enum" : "scalar";
      return {
        localName, number: +number, isOptional: how === "?" || isMessage,
        fieldKind: how === "*" ? "list" : how === "%" ? "map" : kind, listKind: kind,
        scalar: isMessage || isEnum ? undefined : +what,
        message: isMessage ? others.shift() : undefined,
        enum: isEnum ? {} : undefined,
      };
    }) ?? [];
    Object.defineProperty(desc, "fields", { value: fields });
    return fields;
  } };
  return desc;
}
export function create({ typeName, fields }) {
  const made = { $typeName: typeName };
  for (const { localName, fieldKind, scalar, isOptional } of fields) {
    if (fieldKind === "list") made[localName] = [];
    else if (fieldKind === "map") made[localName] = {};
    else if (!isOptional) made[localName] = zeros[scalar] ?? 0;
  }
  return made;
}
export const fromBinary = (schema, bytes) => read(schema, new BinaryReader(bytes), bytes.length, create(schema));
function read(schema, reader, length, made) {
  schema.byNumber ??= new Map(schema.fields.map((field) => [field.number, field]));
  const end = reader.pos + length;
  while (reader.pos < end) {
    const [number, wire] = reader.tag();
    const field = schema.byNumber.get(number);
    if (field === undefined) {
      reader.skip(wire, number);
      continue;
    }
    const { localName, fieldKind, scalar, message } = field;
    const one = (before) =>
      message ? read(message, reader, reader.uint32(), before ?? create(message)) : reader[readers[scalar ?? ${ScalarType.INT32}]](true);
    if (fieldKind === "map") {
      const stop = reader.uint32() + reader.pos;
      let [key, value] = ["", zeros[scalar] ?? 0];
      while (reader.pos < stop) {
        if (reader.tag()[0] === 1) key = reader.string(true);
        else value = one();
      }
      Object.defineProperty(made[localName], key, { value, writable: true, enumerable: true, configurable: true });
    } else if (fieldKind === "list") {
      const isPacked = wire === 2 && !message && scalar !== ${STRING};
      const stop = isPacked ? reader.uint32() + reader.pos : reader.pos + 1;
      while (reader.pos < stop) made[localName].push(one());
    } else made[localName] = one(made[localName]);
  }
  return made;
}
`;
