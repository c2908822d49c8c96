// The document of all routes, without a hub.
import { expect, test } from "vitest";
import { ownParts } from "../hub/door/url.ts";
import { openapi } from "../hub/http/openapi.ts";
import { routes } from "../scripts/api.ts";

interface Media {
  readonly example?: {
    readonly error?: string | { readonly code: string };
    readonly code?: string;
    readonly error_code?: string;
  };
}

interface Answer {
  readonly description: string;
  readonly content?: Readonly<Record<string, Media>>;
}

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string }[];
  readonly responses: Readonly<Record<string, Answer>>;
}

const { paths } = openapi(routes, "0.0.0") as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};
const operations = Object.values(paths).flatMap((of) => Object.values(of));

/** The code of the example of an error; the shape of the portal has none. */
function codeOf({ example = {} }: Media): string | undefined {
  const { error, code, error_code } = example;
  return code ?? error_code?.toLowerCase() ?? (typeof error === "object" ? error.code : error && "portal");
}

test("the example of an error has a code of its status, and not the first of all codes", () => {
  const errors = operations.flatMap(({ operationId, responses }) =>
    Object.entries(responses)
      .filter(([status]) => status === "default" || Number(status) >= 400)
      .flatMap(([status, { description, content = {} }]) =>
        Object.values(content).map((media) => {
          const code = codeOf(media);
          const isOf = status === "default" ? code?.startsWith("internal") : description.includes(`\`${code}\``);
          return { what: `${operationId} ${status} ${code}`, right: isOf || code === "portal" };
        }),
      ),
  );
  expect(errors.length).toBeGreaterThan(200);
  expect(errors.filter(({ right }) => !right).map(({ what }) => what)).toEqual([]);
});

test("a size is a text, as Swagger UI takes no 40G in the field of a number", () => {
  const size = paths["/api/v1/free"]?.get?.parameters?.find(({ name }) => name === "min_mem");
  expect(size).toMatchObject({ schema: { type: "string" }, example: "40G" });
});

test("no path of hub.url can begin as one of the hub's own paths does", () => {
  const firsts = new Set(Object.values(routes).map(({ path }) => path.split("/")[1] ?? ""));
  const plain = [...firsts].filter((first) => first !== "" && !first.includes("{"));
  expect(plain).toContain("api");
  expect(plain.filter((first) => !ownParts.includes(first))).toEqual([]);
});
