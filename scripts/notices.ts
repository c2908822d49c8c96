// Licence texts of bundled packages: most licences require that every copy contains them.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Metafile } from "esbuild";

/** Packages without a licence file, and the package whose file has the same text. Copyright lines come from their sources. */
const elsewhere: Readonly<Record<string, string>> = { "@bufbuild/protobuf": "@grpc/grpc-js" };

/** Further files that must go with a package: notices, and the licences of what is bundled in it. */
const along: Readonly<Record<string, readonly string[]>> = {
  redoc: ["bundles/redoc.standalone.js.LICENSE.txt"],
  "swagger-ui-dist": ["NOTICE", "swagger-ui-bundle.js.LICENSE.txt"],
};

/** Third-party parts of a package's native code, and their folders in the package, which hold their licences. */
const within: Readonly<Record<string, readonly string[]>> = {
  koffi: ["vendor/node-addon-api", "vendor/node-api-headers"],
};

export interface Bundle {
  /** Path of node_modules. */
  readonly modules: string;
  readonly metafile: Metafile;
  /** Packages that are shipped with the bundle but not part of its code: native libraries, programs, whole files. */
  readonly beside?: readonly string[];
}

/**
 * Returns a text with name, version and licence of every package in the bundle, sorted by name.
 * @throws Error naming the package that has no licence text
 */
export function notices({ modules, metafile, beside = [] }: Bundle): string {
  const inputs = Object.keys(metafile.inputs);
  const packages = Map.groupBy(inputs, packageOf);
  packages.delete("");
  for (const name of beside) packages.set(name, packages.get(name) ?? []);
  const parts = [...packages].sort(([a], [b]) => (a < b ? -1 : 1));
  const texts = parts.map(([name, files]) => notice(join(modules, name), name, files));
  return `Third-party software in this program, and its licences.\n\n${texts.join("\n")}`;
}

/** Returns the name of the package that a file belongs to; "" for our own files. */
function packageOf(path: string): string {
  return /.*\bnode_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? "";
}

function notice(folder: string, name: string, files: readonly string[]): string {
  const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<string, string>;
  const own = licenceOf(folder);
  const other = elsewhere[name];
  const borrowed = other === undefined ? undefined : licenceOf(join(folder.slice(0, -name.length), other));
  const text = own ?? borrowed;
  if (text === undefined)
    throw new Error(`${name} ${version} is bundled and has no licence file: add it to scripts/notices.ts`);
  const headers = own === undefined ? copyrights(join(folder, "../".repeat(name.split("/").length + 1)), files) : [];
  const inner = (within[name] ?? []).map((part) => {
    const its = licenceOf(join(folder, part));
    if (its === undefined) throw new Error(`${name}/${part} has no licence file: look at scripts/notices.ts`);
    return `${part}:\n\n${its}`;
  });
  const further = (along[name] ?? []).map((file) => `${file}:\n\n${textOf(join(folder, file))}`);
  const line = "=".repeat(80);
  return [`${line}\n${name} ${version} (${license})\n${line}\n`, ...headers, text, ...inner, ...further].join("\n");
}

function licenceOf(folder: string): string | undefined {
  const file = existsSync(folder) ? readdirSync(folder).find((each) => /^licen[cs]e(\.\w+)?$/i.test(each)) : undefined;
  return file && textOf(join(folder, file));
}

const textOf = (path: string): string => `${readFileSync(path, "utf8").replaceAll("\r\n", "\n").trim()}\n`;

/** Returns the distinct head comments of files that contain a copyright. */
function copyrights(top: string, files: readonly string[]): string[] {
  const heads = files.map((file) => /^(?:\/\/.*\n)+/.exec(readFileSync(join(top, file), "utf8"))?.[0] ?? "");
  return [...new Set(heads.filter((head) => /copyright/i.test(head)))].map((head) => head.replace(/^\/\/ ?/gm, ""));
}
