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

/** What makes the page of ReDoc from that of Swagger UI. */
const redocPage: Copied = {
  from: "web/docs/page.html",
  changes: [
    [/(?<=in )Swagger UI(?=\." \/>)/, "ReDoc"],
    [/\n *<link rel="stylesheet" href="docs\/swagger-ui\.css" \/>/, ""],
    [/swagger-ui-bundle/, "redoc.standalone"],
    [/(?<=<body class=")swagger/, "redoc"],
    [/(?<=<a href="docs") aria-current="page"/, ""],
    [/(?<=<a href="redoc")(?=>)/, ' aria-current="page"'],
    // Swagger UI has a landmark of its own.
    [/<div id="viewer"><\/div>/, '<main id="viewer"></main>'],
  ],
};

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
  const page = readFileSync(join(top, redocPage.from), "utf8");
  write("swagger.html", page);
  write("redoc.html", changed(page, redocPage));
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
