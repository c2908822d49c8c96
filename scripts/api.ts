// docs/api.md, from the rows in hub/route/.
import { openapi } from "../hub/http/openapi.ts";
import { backupRoutes } from "../hub/route/backup.ts";
import { documentRoutes } from "../hub/route/document.ts";
import { feedRoutes } from "../hub/route/feed.ts";
import { pageRoutes } from "../hub/route/page.ts";
import type { Parameter } from "../hub/route/parameter.ts";
import { restRoutes } from "../hub/route/rest.ts";
import { call, type Route, type Routes } from "../hub/route/route.ts";
import type { Needs } from "../hub/who.ts";

/** Every route of the hub; test/openapi.test.ts compares them with those of its parts. */
export const routes: Routes = { ...restRoutes, ...feedRoutes, ...documentRoutes, ...backupRoutes, ...pageRoutes };

const groups: Readonly<Record<string, string>> = {
  history: "History",
  first: "As the first GOHM had them",
  live: "Live state",
  hub: "The hub",
  owner: "For the hub's own user",
  page: "The page",
};

const who: Readonly<Record<Needs, string>> = {
  open: "everyone",
  read: "everyone who may read: there are no accounts, so everyone who can connect",
  node: "a machine that reports by itself",
  admin: "an administrator",
  owner: "the hub's own user and root, on the control socket",
};

interface Documented {
  readonly components: { readonly schemas: Readonly<Record<string, { readonly examples?: readonly unknown[] }>> };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Operation {
  readonly responses: Readonly<Record<string, Response>>;
}

interface Response {
  readonly description: string;
  readonly content?: Readonly<Record<string, { readonly schema?: { readonly $ref?: string } }>>;
}

const document = openapi(routes, "") as Documented;

function parameterRow([name, { help, form, required, example }]: [string, Parameter], path: string): string {
  const many = { one: "", list: "list", repeated: "repeated" }[form];
  const notes = [path.includes(`{${name}}`) ? "in the path" : required ? "required" : "", many].filter(
    (one) => one !== "",
  );
  return `| \`${name}\` | ${notes.join(", ")} | ${help} | \`${example}\` |`;
}

/** "400 `bad_request`, `metric_unknown`", or what the status means. */
function statusText([status, { description, content = {} }]: [string, Response]): string {
  if (status === "200")
    return `200 ${Object.keys(content)
      .map((type) => `\`${type}\``)
      .join(" or ")}`;
  const codes = [...description.matchAll(/`([a-z_]+)`: /g)].map(([, code]) => `\`${code}\``);
  return codes.length > 0 ? `${status} ${codes.join(", ")}` : `${status} (${description.replace(/\.$/, "")})`;
}

/** An example of the JSON answer, where the document has one. */
function exampleOf(ok: Response | undefined): string {
  const reference = ok?.content?.["application/json"]?.schema?.$ref?.split("/").at(-1) ?? "";
  const [example] = document.components.schemas[reference]?.examples ?? [];
  return example === undefined ? "" : `\n\`\`\`json\n${JSON.stringify(example)}\n\`\`\`\n`;
}

function section(route: Route): string {
  const { method, path, needs, summary, description = "", params = {} } = route;
  const rows = Object.entries(params).map((one) => parameterRow(one, path));
  const table =
    rows.length > 0 ? `\n| parameter | | what it is | example |\n|---|---|---|---|\n${rows.join("\n")}\n` : "";
  const { responses = {} } = document.paths[path]?.[method.toLowerCase()] ?? {};
  const { default: _, ...statuses } = responses;
  const required = Object.entries(params).filter(([name, one]) => one.required || path.includes(`{${name}}`));
  const asked = call(route, Object.fromEntries(required.map(([name, { example }]) => [name, example])));
  const request = needs === "owner" ? "" : `\n\`\`\`sh\ncurl 'http://hub:5000${asked.path}'\n\`\`\`\n`;
  return `### \`${method} ${path}\`

${summary}. ${description}${description === "" ? "" : " "}For ${who[needs]}.
${request}${table}
Answers: ${Object.entries(statuses).map(statusText).join("; ")}.
${exampleOf(responses[200])}`;
}

export function api(): string {
  const all = Object.values(routes);
  const parts = [...Map.groupBy(all, ({ tag }) => tag)].map(
    ([tag, some]) => `## ${groups[tag] ?? tag}\n\n${some.map(section).join("\n")}`,
  );
  return `# HTTP interface

Made by \`npm run docs\` from the rows in \`hub/route/\`, of which the hub's application is made too. A running hub describes itself at \`GET /openapi.json\` (OpenAPI 3.1, with the schema of each JSON answer).

A fault is \`{"error": {"code": "…", "message": "…"}}\`; with \`Accept: application/problem+json\` it is a problem of RFC 9457, with the same code. Codes are explained in [faults.md](faults.md);
beside those that are listed here, any path may answer with one of HTTP itself. A parameter that is not a repeated one may have one value; an empty one is not given; others are ignored.
[history.md](history.md) says what history holds.

${parts.join("\n")}`;
}
