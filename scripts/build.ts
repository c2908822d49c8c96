// Builds everything into dist/: the agent (one executable file), the hub, and the page.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { build, type Metafile, type Plugin } from "esbuild";
import { browsers } from "./browsers.ts";
import { notices } from "./notices.ts";
import { tableOfFields } from "./schema.ts";
import { buildViewers, viewerPackages } from "./viewers.ts";

const top = fileURLToPath(new URL("..", import.meta.url));
const bin = join(top, "node_modules", ".bin");
const { version } = JSON.parse(readFileSync(join(top, "package.json"), "utf8")) as { version: string };

/** Generates TypeScript types and descriptors from proto/*.proto into proto/gen/. Needs no network. */
export function generate(): void {
  execFileSync(join(bin, "buf"), ["generate"], {
    cwd: top,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, PATH: `${bin}:${process.env.PATH ?? ""}` },
  });
}

/** Embeds koffi's native library in the bundle: the agent is one file, and koffi's own loader does not work in a bundle. */
const embedKoffi: Plugin = {
  name: "embed-koffi",
  setup(build) {
    build.onLoad({ filter: /agent\/source\/nvml\/native\.ts$/ }, () => {
      const natives = ["linux-x64", "linux-arm64"].flatMap((platform) => {
        const file = join(
          top,
          "node_modules",
          "@koromix",
          `koffi-${platform}`,
          platform.replace("-", "_"),
          "koffi.node",
        );
        if (!existsSync(file)) return [];
        const bytes = readFileSync(file);
        const packed = brotliCompressSync(bytes, {
          params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 },
        });
        const sha256 = createHash("sha256").update(bytes).digest("hex");
        return [[platform, { sha256, brotli: packed.toString("base64") }]];
      });
      if (natives.length === 0) throw new Error("koffi's native part is not under node_modules/@koromix: run npm ci");
      const contents = `export const natives = () => (${JSON.stringify(Object.fromEntries(natives))});\nexport const tree = undefined;`;
      return { contents, loader: "ts" };
    });
  },
};

/** Leaves out @grpc/proto-loader (135 KB): grpc-js needs it only for xDS and for reading .proto files at run time. */
const leaveOutProtoLoader: Plugin = {
  name: "leave-out-proto-loader",
  setup(build) {
    build.onResolve({ filter: /^@grpc\/proto-loader$/ }, ({ path }) => ({ path, namespace: "left-out" }));
    build.onLoad({ filter: /.*/, namespace: "left-out" }, () => ({
      contents: 'throw new Error("@grpc/proto-loader is left out of the agent");',
      loader: "js",
    }));
  },
};

/** Leaves out the client that grpc-js' server imports only for reading .proto files at run time (150 KB). */
const leaveOutGrpcClient: Plugin = {
  name: "leave-out-grpc-client",
  setup(build) {
    build.onLoad({ filter: /@grpc\/grpc-js\/build\/src\/make-client\.js$/ }, () => ({
      contents: 'exports.loadPackageDefinition = () => { throw new Error("grpc-js has no client in the agent"); };',
      loader: "js",
    }));
  },
};

/** Gives the page the part of the field options that it needs: the unit of each metric, and the enum of units. */
const tableOfUnits: Plugin = {
  name: "table-of-units",
  setup(build) {
    // Imported here, because proto/gen/ does not exist before generate() ran.
    build.onLoad({ filter: /proto\/metric-unit\.ts$/ }, async () => {
      const { unitByMetric } = await import("../proto/metric-unit.ts");
      return { contents: `export const unitByMetric = new Map(${JSON.stringify([...unitByMetric])});`, loader: "js" };
    });
    build.onLoad({ filter: /proto\/gen\/metric_pb\.js$/ }, async () => {
      const { Unit } = await import("../proto/gen/metric_pb.js");
      const values = Object.entries(Unit).filter(([, value]) => typeof value === "number");
      return { contents: `export enum Unit { ${values.map((pair) => pair.join(" = ")).join(", ")} }`, loader: "ts" };
    });
  },
};

/** Leaves out the lines of uPlot that charts do not draw: bars, steps and splines, and its functions for other programs. */
const leaveOutUnusedLines: Plugin = {
  name: "leave-out-unused-lines",
  setup(build) {
    build.onLoad({ filter: /\/uplot\/dist\/uPlot\.esm\.js$/ }, ({ path }) => {
      const text = readFileSync(path, "utf8");
      const end = text.lastIndexOf("uPlot.assign = assign;");
      const exported = text.lastIndexOf("export { uPlot as default };");
      if (end < 0 || exported < end) throw new Error(`${path} does not end as expected`);
      return { contents: text.slice(0, end) + text.slice(exported), loader: "js" };
    });
  },
};

/** A style sheet that a part of the page loads by itself ("admin.css?href"): a file of its own; the import is its address. */
const sheetsByAddress: Plugin = {
  name: "sheets-by-address",
  setup({ esbuild, initialOptions: { target = [] }, onResolve, onLoad }) {
    onResolve({ filter: /\.css\?href$/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path.replace(/\?href$/, "")),
      namespace: "sheet",
    }));
    onLoad({ filter: /.*/, namespace: "sheet" }, async ({ path }) => {
      const { outputFiles } = await esbuild.build({
        entryPoints: [path],
        bundle: true,
        minify: true,
        write: false,
        target,
      });
      return { contents: outputFiles[0]?.contents ?? "", loader: "file" };
    });
  },
};

/**
 * Keeps what the page loads first in one file. The bundler makes a file of its own for each combination of later parts that
 * share a module: 2 KB more, compressed. So each later part imports all that is there already, which loads nothing.
 */
const oneFirstFile: Plugin = {
  name: "one-first-file",
  setup({ onResolve, onLoad }) {
    const importOf = (file: string): string => `import ${JSON.stringify(join(top, "web", file))};`;
    const first = ["frame.tsx", "page/all.ts", "theme.ts"].map(importOf).join("");
    // Parts of what is for those who sign in: one file of them, too.
    const signedIn = ["part/dialog.tsx", "part/form.tsx", "frame/account.tsx", "frame/sign-in.tsx", "page/link.tsx"]
      .map(importOf)
      .join("");
    const later = new Set<string>();
    onResolve({ filter: /^\./ }, ({ kind, path, resolveDir }) => {
      if (kind === "dynamic-import") later.add(join(resolveDir, path));
      return undefined;
    });
    onLoad({ filter: /\/web\/.*\.tsx?$/ }, ({ path }) => {
      // These import one another, so that each may be loaded before it is known to be imported later.
      const isSignedIn = /\/(account|admin|link|sign-in)\.tsx$/.test(path);
      if (!later.has(path) && !isSignedIn) return undefined;
      const more = isSignedIn ? signedIn : "";
      const contents = `${first}${more}${readFileSync(path, "utf8")}`;
      return { contents, loader: path.endsWith("x") ? "tsx" : "ts" };
    });
  },
};

/** Writes the licences of the packages in a bundle into a file beside it. @returns their text */
function writeNotices(file: string, metafile: Metafile, beside: readonly string[] = []): string {
  const text = notices({ modules: join(top, "node_modules"), metafile, beside });
  writeFileSync(join(top, "dist", file), text);
  return text;
}

async function buildAgent(): Promise<void> {
  const out = join(top, "dist", "hmonitor");
  const { metafile } = await build({
    absWorkingDir: top,
    metafile: true,
    entryPoints: [join(top, "agent", "main.ts")],
    outfile: out,
    bundle: true,
    platform: "node",
    target: "node18",
    format: "cjs",
    minify: true,
    // One uncaught error would otherwise print the whole bundle.
    lineLimit: 160,
    legalComments: "none",
    banner: { js: "#!/usr/bin/env node" },
    define: { "process.env.GOHM_VERSION": JSON.stringify(version) },
    plugins: [embedKoffi, leaveOutProtoLoader, leaveOutGrpcClient],
    logLevel: "warning",
  });
  // The agent is copied as one file, so the licences also go into it.
  const licences = writeNotices("hmonitor.licenses.txt", metafile, ["koffi"]);
  appendFileSync(out, `/*\n${licences.replaceAll("*/", "* /")}*/\n`);
  chmodSync(out, 0o755);
  writePackageFile();
}

/** Oldest Node that the hub runs on. On older ones better-sqlite3 crashes without a message. */
const oldestNode = "22.19";

/**
 * Escapes what esbuild leaves in comments and regular expressions: with one character beyond Latin-1, V8 keeps the whole source,
 * for as long as the program runs, with two bytes a character. (String.raw`…` has no such character here: it would change.)
 */
function toAscii(path: string): void {
  const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  writeFileSync(path, readFileSync(path, "utf8").replace(/[\u0080-\uffff]/g, escaped));
}

async function buildHub(): Promise<void> {
  const { metafile } = await build({
    absWorkingDir: top,
    metafile: true,
    entryPoints: [join(top, "hub", "main.ts")],
    outfile: join(top, "dist", "gohm.mjs"),
    bundle: true,
    platform: "node",
    target: "node22",
    format: "esm",
    minify: false,
    sourcemap: false,
    // Native code: loaded from node_modules beside dist/.
    external: ["better-sqlite3"],
    // jsonc-parser's main is UMD, which hides its parts from the bundler.
    mainFields: ["module", "main"],
    banner: {
      js: '#!/usr/bin/env node\nimport { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    },
    define: { "process.env.GOHM_VERSION": JSON.stringify(version) },
    logLevel: "warning",
  });
  toAscii(join(top, "dist", "gohm.mjs"));
  chmodSync(join(top, "dist", "gohm.mjs"), 0o755);
  await build({
    entryPoints: [join(top, "hub", "launcher.ts")],
    outfile: join(top, "dist", "gohm"),
    // An old Node must be able to parse it: import() is parsed since Node 10, and works since Node 13.
    target: "node10",
    supported: { "dynamic-import": true },
    format: "cjs",
    platform: "node",
    banner: { js: "#!/usr/bin/env node" },
    define: { "process.env.GOHM_OLDEST_NODE": JSON.stringify(oldestNode) },
    logLevel: "warning",
  });
  chmodSync(join(top, "dist", "gohm"), 0o755);
  writePackageFile();
  writeNotices("gohm.licenses.txt", metafile, ["better-sqlite3"]);
}

/** Marks dist/ as CommonJS. Our own package.json would make files without extension ES modules. */
function writePackageFile(): void {
  writeFileSync(join(top, "dist", "package.json"), '{ "type": "commonjs" }\n');
}

async function buildPage(): Promise<void> {
  const out = join(top, "dist", "web");
  const target = Object.entries(browsers).map(([name, version]) => `${name}${version}`);
  rmSync(out, { recursive: true, force: true });
  const result = await build({
    absWorkingDir: top,
    entryPoints: { app: join(top, "web", "main.tsx") },
    outdir: out,
    bundle: true,
    format: "esm",
    splitting: true,
    target,
    minify: true,
    // Escapes of Chinese characters take more bytes, compressed too.
    charset: "utf8",
    jsx: "automatic",
    jsxImportSource: "preact",
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    metafile: true,
    legalComments: "none",
    define: { "process.env.GOHM_VERSION": JSON.stringify(version) },
    plugins: [tableOfUnits, tableOfFields, leaveOutUnusedLines, sheetsByAddress, oneFirstFile],
    logLevel: "warning",
  });
  const files = Object.keys(result.metafile.outputs).map((path) => path.slice(path.lastIndexOf("/") + 1));
  const named = (pattern: RegExp): string => files.find((file) => pattern.test(file)) ?? "";
  const script = named(/^app-.*\.js$/);
  const html = readFileSync(join(top, "web", "index.html"), "utf8")
    .replace("%SCRIPT%", script)
    .replace("%FIRST%", importOf(result.metafile, script))
    .replace("%STYLE%", named(/^app-.*\.css$/));
  copyFileSync(join(top, "web", "favicon.svg"), join(out, "favicon.svg"));
  writeFileSync(join(out, "index.html"), html);
  const viewers = await buildViewers(top, join(out, "docs"), target);
  const inputs = { ...result.metafile.inputs, ...viewers.inputs };
  writeNotices(join("web", "licenses.txt"), { ...result.metafile, inputs }, viewerPackages);
}

/** The one file that a script imports: the page names it, so that it is loaded beside the script and not after it. */
function importOf({ outputs }: Metafile, script: string): string {
  const output = Object.entries(outputs).find(([path]) => path.endsWith(`/${script}`))?.[1];
  const [first, ...others] = output?.imports.filter(({ kind }) => kind === "import-statement") ?? [];
  if (first === undefined || others.length > 0)
    throw new Error(`${script} imports ${others.length + 1} files, not one`);
  return first.path.slice(first.path.lastIndexOf("/") + 1);
}

const parts: Readonly<Record<string, () => Promise<void>>> = { agent: buildAgent, hub: buildHub, page: buildPage };

/** Builds the given parts (agent, hub, page), or all of them. */
export async function buildAll(names: readonly string[] = []): Promise<void> {
  mkdirSync(join(top, "dist"), { recursive: true });
  generate();
  const wanted = Object.entries(parts).filter(([name]) => names.length === 0 || names.includes(name));
  await Promise.all(wanted.map(([, build]) => build()));
}

if (import.meta.main) await buildAll(process.argv.slice(2));
