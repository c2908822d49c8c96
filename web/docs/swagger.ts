interface Parameter {
  readonly name: string;
  readonly description?: string;
  readonly required?: boolean;
  readonly example?: unknown;
}

/** An operation of the document, as much of it as is used here. */
interface Operation {
  readonly parameters?: readonly Parameter[];
  /** The right that it needs. */
  readonly "x-needs"?: string;
  readonly responses?: Readonly<Record<string, { readonly content?: object }>>;
}

export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly [more: string]: unknown;
}

type Selector = (state: unknown, path: string, method: string) => boolean;

/** Settings of Swagger UI: https://swagger.io/docs/open-source-tools/swagger-ui/usage/configuration */
interface SwaggerSettings {
  readonly spec: OpenApi;
  readonly dom_id: string;
  readonly deepLinking: boolean;
  readonly docExpansion: "list";
  readonly defaultModelsExpandDepth: number;
  readonly displayRequestDuration: boolean;
  readonly validatorUrl: null;
  readonly plugins: readonly object[];
  readonly onComplete: () => void;
}

declare const SwaggerUIBundle: (settings: SwaggerSettings) => unknown;

/**
 * True if a person may send an operation's request from the documentation: those that only read, and end. A signed-in
 * administrator would otherwise delete an account with the example of its documentation.
 */
function mayTry({ paths }: OpenApi, path: string, method: string): boolean {
  const operation = paths[path]?.[method];
  if (operation === undefined || (method !== "get" && operation["x-needs"] !== "read")) return false;
  return !("text/event-stream" in (operation.responses?.[200]?.content ?? {}));
}

/** Swagger UI sends the example of every parameter. Of those that may be left out, it becomes a part of the description. */
function withoutOptions(spec: OpenApi): OpenApi {
  const plain = (one: Parameter): Parameter => {
    if (one.required || one.example === undefined) return one;
    const { example, description = "", ...rest } = one;
    return { ...rest, description: `${description} Example: \`${[example].flat().join(",")}\`` };
  };
  const operation = (one: Operation): Operation =>
    one.parameters === undefined ? one : { ...one, parameters: one.parameters.map(plain) };
  const paths = Object.entries(spec.paths).map(([path, operations]) => [
    path,
    Object.fromEntries(Object.entries(operations).map(([method, one]) => [method, operation(one)])),
  ]);
  return { ...spec, paths: Object.fromEntries(paths) };
}

/** The part of a document at a path, with the named schemas in the places that refer to them. */
function inlined(spec: OpenApi, path: readonly string[]): unknown {
  const at = (keys: readonly string[]): unknown =>
    keys.reduce<unknown>((value, key) => (value as Readonly<Record<string, unknown>> | undefined)?.[key], spec);
  const inline = (value: unknown, within: readonly string[]): unknown => {
    if (Array.isArray(value)) return value.map((one) => inline(one, within));
    if (typeof value !== "object" || value === null) return value;
    const { $ref } = value as { readonly $ref?: unknown };
    if (typeof $ref !== "string")
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, inline(one, within)]));
    // A schema that contains itself would have no end.
    return within.includes($ref) ? {} : inline(at($ref.split("/").slice(1)), [...within, $ref]);
  };
  return inline(at(path), []);
}

interface System {
  readonly specActions: { updateResolvedSubtree(path: readonly string[], value: unknown): void };
}

/** Shows a document in Swagger UI. @param done called when it is shown */
export function showInSwagger(spec: OpenApi, done: () => void): void {
  const allow: Selector = (_, path, method) => mayTry(spec, path, method);
  const shownSpec = withoutOptions(spec);
  // Its own way reads the whole document for every operation that is opened, which takes half a second.
  const resolve =
    (_: unknown, { specActions }: System) =>
    (path: readonly string[]): void =>
      queueMicrotask(() => specActions.updateResolvedSubtree(path, inlined(shownSpec, path)));
  const ofSpec = { wrapSelectors: { allowTryItOutFor: () => allow }, wrapActions: { requestResolvedSubtree: resolve } };
  // There is one server, that of the page.
  const oneServer = { wrapComponents: { ServersContainer: () => () => null } };
  SwaggerUIBundle({
    spec: shownSpec,
    dom_id: "#viewer",
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    // The document is not sent to anybody for validation.
    validatorUrl: null,
    plugins: [{ statePlugins: { spec: ofSpec } }, oneServer],
    onComplete: done,
  });
}
