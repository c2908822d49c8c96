// Licence texts of the packages inside what is built: most licences ask that every copy carries them.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Metafile } from "esbuild";

/** Packages without a licence file of their own, and where the same text lies. Their copyright lines come from their source. */
const elsewhere: Readonly<Record<string, string>> = { "@bufbuild/protobuf": "@grpc/grpc-js" };

/** Parts compiled into a package's native code, whose licences lie within it. */
const within: Readonly<Record<string, readonly string[]>> = {
  koffi: ["vendor/node-addon-api", "vendor/node-api-headers"],
};

export interface Bundle {
  /** node_modules. */
  readonly modules: string;
  readonly metafile: Metafile;
  /** Packages that ship with the bundle without being in its code: native parts, programs. */
  readonly beside?: readonly string[];
}

/**
 * One text with name, version and licence of every package in the bundle, sorted by name.
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

/** Name of the package that a file belongs to; "" for our own files. */
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
  const line = "=".repeat(80);
  return [`${line}\n${name} ${version} (${license})\n${line}\n`, ...headers, text, ...inner].join("\n");
}

function licenceOf(folder: string): string | undefined {
  const file = existsSync(folder) ? readdirSync(folder).find((each) => /^licen[cs]e(\.\w+)?$/i.test(each)) : undefined;
  return file && `${readFileSync(join(folder, file), "utf8").replaceAll("\r\n", "\n").trim()}\n`;
}

/** The comments at the head of the files that hold a copyright, each once. */
function copyrights(top: string, files: readonly string[]): string[] {
  const heads = files.map((file) => /^(?:\/\/.*\n)+/.exec(readFileSync(join(top, file), "utf8"))?.[0] ?? "");
  return [...new Set(heads.filter((head) => /copyright/i.test(head)))].map((head) => head.replace(/^\/\/ ?/gm, ""));
}
