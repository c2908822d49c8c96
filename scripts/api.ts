// Generates docs/api.md from the rows in hub/route/.
import { openapi } from "../hub/http/openapi.ts";
import { adminRoutes } from "../hub/route/admin.ts";
import { backupRoutes } from "../hub/route/backup.ts";
import { docsRoutes } from "../hub/route/docs.ts";
import { documentRoutes } from "../hub/route/document.ts";
import { feedRoutes } from "../hub/route/feed.ts";
import { healthRoutes } from "../hub/route/health.ts";
import { intervalRoutes } from "../hub/route/interval.ts";
import { loggerReceiveRoutes } from "../hub/route/logger.ts";
import { loggerQueryRoutes } from "../hub/route/logger-query.ts";
import { pageRoutes } from "../hub/route/page.ts";
import type { Parameter } from "../hub/route/parameter.ts";
import { prometheusRoutes } from "../hub/route/prometheus.ts";
import { pushRoutes } from "../hub/route/push.ts";
import { restRoutes, v1HistoryRoutes } from "../hub/route/rest.ts";
import { call, type Route, type Routes, tags } from "../hub/route/route.ts";
import { providerRoutes, sessionRoutes } from "../hub/route/session.ts";
import { transferRoutes } from "../hub/route/transfer.ts";
import { v1Routes } from "../hub/route/v1.ts";

/** Every route of the hub; test/openapi.test.ts compares them with those of its parts. */
export const routes: Routes = {
  ...v1Routes,
  ...v1HistoryRoutes,
  ...restRoutes,
  ...intervalRoutes,
  ...feedRoutes,
  ...sessionRoutes,
  ...providerRoutes,
  ...adminRoutes,
  ...pushRoutes,
  ...transferRoutes,
  ...loggerQueryRoutes,
  ...loggerReceiveRoutes,
  ...prometheusRoutes,
  ...healthRoutes,
  ...documentRoutes,
  ...docsRoutes,
  ...backupRoutes,
  ...pageRoutes,
};

interface Documented {
  readonly components: { readonly schemas: Readonly<Record<string, Defined>> };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Defined {
  readonly examples?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Allowed>>;
  readonly required?: readonly string[];
}

/** What has JSON of a schema: an answer or a body. */
interface Carrier {
  readonly content?: Readonly<Record<string, { readonly schema?: { readonly $ref?: string } }>>;
}

interface Operation {
  readonly description: string;
  readonly requestBody?: Carrier & { readonly description?: string };
  readonly parameters?: readonly { readonly name: string; readonly schema: Allowed }[];
  readonly responses: Readonly<Record<string, Response>>;
}

/** As much of the schema of a parameter or field as shows the values that it allows. */
interface Allowed {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly items?: Allowed;
  readonly anyOf?: readonly Allowed[];
}

interface Response extends Carrier {
  readonly description: string;
}

const document = openapi(routes, "") as Documented;

const operationOf = ({ method, path }: Route): Operation | undefined => document.paths[path]?.[method.toLowerCase()];

function parameterRow([name, { help, form, required, example }]: [string, Parameter], route: Route): string {
  const { path } = route;
  const many = { one: "", list: "list", repeated: "repeated" }[form];
  const notes = [path.includes(`{${name}}`) ? "in the path" : required ? "required" : "", many].filter(
    (one) => one !== "",
  );
  const schema = operationOf(route)?.parameters?.find((one) => one.name === name)?.schema;
  const values = (schema?.enum ?? schema?.items?.enum ?? []).map((value) => `\`${value}\``).join(", ");
  const allowed = values === "" ? "" : ` Values: ${values}.`;
  return `| \`${name}\` | ${notes.join(", ")} | ${help}${allowed} | \`${example}\` |`;
}

/** Returns a status with its error codes ("400 `bad_request`, `metric_unknown`"), or with its meaning. */
function statusText([status, { description, content = {} }]: [string, Response]): string {
  if (status === "200")
    return `200 ${Object.keys(content)
      .map((type) => `\`${type}\``)
      .join(" or ")}`;
  const codes = [...description.matchAll(/`([a-z_]+)`: /g)].map(([, code]) => `\`${code}\``);
  return codes.length > 0 ? `${status} ${codes.join(", ")}` : `${status} (${description.replace(/\.$/, "")})`;
}

function schemaOf(carrier: Carrier | undefined): Defined | undefined {
  const reference = carrier?.content?.["application/json"]?.schema?.$ref?.split("/").at(-1) ?? "";
  return document.components.schemas[reference];
}

/** Returns the example of the JSON answer in Markdown; "" if the document has none. */
function exampleOf(ok: Response | undefined): string {
  const [example] = schemaOf(ok)?.examples ?? [];
  return example === undefined ? "" : `\n\`\`\`json\n${JSON.stringify(example)}\n\`\`\`\n`;
}

/** Returns the fields of a body; "" if there is none, or the document has no schema of it. */
function bodyOf({ requestBody }: Operation): string {
  const { properties, required = [] } = schemaOf(requestBody) ?? {};
  if (properties === undefined || requestBody === undefined) return "";
  const others = Object.keys(requestBody.content ?? {}).filter((type) => type !== "application/json");
  const more = others.map((type) => `, or \`${type}\``).join("");
  const fields = Object.entries(properties).map(
    ([name, one]) => `\`${name}\` (${typeOf(one)}${required.includes(name) ? ", required" : ""})`,
  );
  const { description = "" } = requestBody;
  return `\nBody: JSON with ${fields.join(", ")}${more}.${description === "" ? "" : ` ${description}`}\n`;
}

/** Returns the values of a field in words: "text or null", "`read` or `push`". */
function typeOf({ type = "", enum: values, items, anyOf = [] }: Allowed): string {
  if (values !== undefined) return values.map((value) => `\`${value}\``).join(" or ");
  if (anyOf.length > 0) return anyOf.map(typeOf).join(" or ");
  if (items !== undefined) return `list of ${typeOf(items)}`;
  return { string: "text", integer: "whole number", boolean: "true or false", array: "list" }[type] ?? type;
}

/** Returns the request of a route as a command line, with the examples of what it requires. */
function curl(route: Route): string {
  const { method, path, needs, params = {} } = route;
  const required = Object.entries(params).filter(([name, one]) => one.required || path.includes(`{${name}}`));
  const asked = call(route, Object.fromEntries(required.map(([name, { example }]) => [name, example])));
  const [body] = schemaOf(operationOf(route)?.requestBody)?.examples ?? [];
  const words = [
    ...(method === "GET" ? [] : [`-X ${method}`]),
    ...(["node", "admin"].includes(needs) ? ['-H "Authorization: Bearer $TOKEN"'] : []),
    ...(body === undefined ? [] : [`-H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`]),
  ];
  return ["curl", ...words, `'http://hub:5000${asked.path}'`].join(" ");
}

function section(route: Route): string {
  const { method, path, needs, summary, params = {} } = route;
  const rows = Object.entries(params).map((one) => parameterRow(one, route));
  const table =
    rows.length > 0 ? `\n| parameter | | what it is | example |\n|---|---|---|---|\n${rows.join("\n")}\n` : "";
  const operation = operationOf(route) ?? { description: "", responses: {} };
  const { description, responses } = operation;
  const { default: _, ...statuses } = responses;
  // A change of a session is the page's alone: curl would be refused.
  const isForPage = route.tag === "session" && method !== "GET";
  const request = needs === "owner" || isForPage ? "" : `\n\`\`\`sh\n${curl(route)}\n\`\`\`\n`;
  return `### \`${method} ${path}\`

${summary}. ${description}
${request}${bodyOf(operation)}${table}
Answers: ${Object.entries(statuses).map(statusText).join("; ")}.
${exampleOf(responses[200])}`;
}

export function api(): string {
  const all = Object.values(routes);
  const parts = Object.entries(tags).flatMap(([name, { title, description }]) => {
    const some = all.filter(({ tag }) => tag === name);
    return some.length === 0 ? [] : [`## ${title}\n\n${description}\n\n${some.map(section).join("\n")}`];
  });
  return `# HTTP interface

Generated by \`npm run docs\` from the rows in \`hub/route/\`, from which the hub's application is made, too. A running hub describes itself at \`GET /openapi.json\` (OpenAPI 3.1, with the schema of each JSON answer), and shows that in a browser, also without the internet, at \`/docs\` (Swagger UI) and \`/redoc\` (ReDoc).

An error is \`{"error": {"code": "…", "message": "…"}}\`; with \`Accept: application/problem+json\` it is a problem of RFC 9457 with the same code. [faults.md](faults.md) explains the codes;
besides those listed here, any path may answer with an error of HTTP itself. A parameter may be given once, unless it is repeated; an empty one counts as not given; unknown ones are ignored, except where it says that they are refused.
[history.md](history.md) describes what the history stores.

${parts.join("\n")}`;
}
