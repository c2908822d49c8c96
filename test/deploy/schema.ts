// The part of JSON Schema that the published schema of Kubernetes uses.
import { readFileSync } from "node:fs";

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
}

const { $defs } = JSON.parse(readFileSync(new URL("kubernetes.schema.json", import.meta.url), "utf8")) as {
  $defs: Readonly<Record<string, Schema>>;
};

const typeOf = (value: unknown): string => (Array.isArray(value) ? "array" : value === null ? "null" : typeof value);

/** Validates a value against a definition. @returns violations, each as "path: sentence" */
export function faults(definition: string, value: unknown): string[] {
  const schema = $defs[definition];
  return schema === undefined ? [`there is no definition ${definition}`] : check(schema, value, definition);
}

function check(schema: Schema, value: unknown, at: string): string[] {
  if (schema.$ref !== undefined) {
    const target = $defs[schema.$ref.replace("#/$defs/", "")];
    return target === undefined ? [`${at}: ${schema.$ref} is not defined`] : check(target, value, at);
  }
  if (schema.anyOf !== undefined) {
    return schema.anyOf.some((each) => check(each, value, at).length === 0) ? [] : [`${at}: matches no alternative`];
  }
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    return [`${at}: must be one of ${schema.enum.join(", ")}, is ${JSON.stringify(value)}`];
  }
  const wanted = schema.type === undefined ? [] : [schema.type].flat();
  if (wanted.length > 0 && !wanted.includes(typeOf(value))) {
    return [`${at}: must be ${wanted.join(" or ")}, is ${JSON.stringify(value)}`];
  }
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined ? [] : value.flatMap((each, i) => check(items, each, `${at}[${i}]`));
  }
  return typeOf(value) === "object" ? checkObject(schema, value as Readonly<Record<string, unknown>>, at) : [];
}

function checkObject(schema: Schema, value: Readonly<Record<string, unknown>>, at: string): string[] {
  const { properties = {}, required = [], additionalProperties = true } = schema;
  const missing = required.filter((name) => value[name] === undefined).map((name) => `${at}: ${name} is missing`);
  const inside = Object.entries(value).flatMap(([name, each]) => {
    const known = properties[name];
    if (known !== undefined) return check(known, each, `${at}.${name}`);
    if (typeof additionalProperties === "object") return check(additionalProperties, each, `${at}.${name}`);
    return additionalProperties ? [] : [`${at}: has no field ${name}`];
  });
  return [...missing, ...inside];
}
