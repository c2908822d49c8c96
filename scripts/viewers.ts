// Builds the files of /docs and /redoc into a folder: Swagger UI, ReDoc and ours, each compressed.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build, type Metafile } from "esbuild";

/** A text that a file must contain once, and what replaces it. */
type Change = readonly [RegExp, string];

/** A file of a package. */
interface Copied {
  /** Path in node_modules. */
  readonly from: string;
  readonly changes: readonly Change[];
}

/** Maps of sources are not shipped: a browser's tools would ask for them in vain. */
const sourceMap: Change = [/\n(\/\/|\/\*)# sourceMappingURL=\S+?\.map(\*\/)?\s*$/, "\n"];
const licence: Change = [/(?<=^\/\*! For license information please see )\S+(?= \*\/)/, "licenses.txt"];

const copied: readonly Copied[] = [
  { from: "swagger-ui-dist/swagger-ui.css", changes: [sourceMap] },
  { from: "swagger-ui-dist/swagger-ui-bundle.js", changes: [licence] },
  {
    from: "redoc/bundles/redoc.standalone.js",
    changes: [
      licence,
      // ReDoc fetches its logo from another host, and removes the image if that fails.
      [/https:\/\/cdn\.redoc\.ly\/redoc\/logo-mini\.svg/, "data:,"],
      // Its theme has no settings for the colours of a pattern, and of the buttons of alternatives.
      [/(?<=color: )#0e7c86(?=;)/, "var(--pattern, #0e7c86)"],
      [/(?<=\$active\?`\\n {6}color: )white(?=;)/, "var(--chosen, white)"],
      [/(?<=\\n {8}background-color: )white(?=;\\n {6}`\})/, "var(--choice, white)"],
      sourceMap,
    ],
  },
];

/** Packages of these files, for the licences. */
export const viewerPackages = ["redoc", "swagger-ui-dist"] as const;

/** Values of the marks in web/docs/page.html. */
interface ViewerPage {
  readonly viewer: string;
  readonly name: string;
  /** Its path below the hub's address. */
  readonly path: string;
  readonly script: string;
  /** Element of its style, or "". */
  readonly style: string;
  /** Element that the viewer fills. ReDoc has no landmark "main" of its own. */
  readonly element: string;
}

const pages: readonly ViewerPage[] = [
  {
    ...{ viewer: "swagger", name: "Swagger UI", path: "docs", script: "swagger-ui-bundle.js", element: "div" },
    style: '<link rel="stylesheet" href="docs/swagger-ui.css" />',
  },
  { viewer: "redoc", name: "ReDoc", path: "redoc", script: "redoc.standalone.js", element: "main", style: "" },
];

/** @throws Error for a mark without a value */
function filled(page: string, { path, ...values }: ViewerPage): string {
  const known: Readonly<Record<string, string>> = values;
  const text = page.replace(/\{\{(\w+)\}\}/g, (mark, name: string) => {
    const value = known[name];
    if (value === undefined) throw new Error(`web/docs/page.html has ${mark}, which is not known`);
    return value;
  });
  return text.replace(`<a href="${path}">`, `<a href="${path}" aria-current="page">`);
}

/** @throws Error if a file is not the one that these changes are for */
function changed(text: string, { from, changes }: Copied): string {
  return changes.reduce((before, [pattern, by]) => {
    const count = [...before.matchAll(new RegExp(pattern.source, "g"))].length;
    if (count !== 1)
      throw new Error(`${from} contains ${pattern} ${count} times, not once: look at scripts/viewers.ts`);
    return before.replace(pattern, by);
  }, text);
}

/** @param target oldest browsers, as esbuild names them @returns what is bundled in our script */
export async function buildViewers(top: string, folder: string, target: readonly string[]): Promise<Metafile> {
  mkdirSync(folder, { recursive: true });
  const write = (path: string, content: string | Uint8Array): void => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    writeFileSync(join(folder, `${name}.gz`), gzipSync(content, { level: 9 }));
  };
  for (const one of copied) {
    write(one.from, changed(readFileSync(join(top, "node_modules", one.from), "utf8"), one));
  }
  const page = readFileSync(join(top, "web", "docs", "page.html"), "utf8");
  for (const one of pages) write(`${one.viewer}.html`, filled(page, one));
  const { outputFiles, metafile } = await build({
    absWorkingDir: top,
    entryPoints: { start: join(top, "web", "docs.ts"), style: join(top, "web", "docs", "style.css") },
    outdir: folder,
    bundle: true,
    format: "esm",
    target: [...target],
    minify: true,
    write: false,
    metafile: true,
    legalComments: "none",
    logLevel: "warning",
  });
  for (const { path, contents } of outputFiles) write(path, contents);
  return metafile;
}
