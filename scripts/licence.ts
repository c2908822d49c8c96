// Which licences the packages of this project may have.

/** A package of package-lock.json. */
export interface LockedPackage {
  readonly version?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly integrity?: string;
}

/** Licences of what goes into the programs: those that ask for their text and a copyright line, which dist/ has. */
const shipped: ReadonlySet<string> = new Set(["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"]);

/** Licences of what only builds and tests. */
const tools: ReadonlySet<string> = new Set([...shipped, "MPL-2.0", "Python-2.0"]);

/** Packages that name no licence, or not by its SPDX identifier, and the one in their files. */
const named: Readonly<Record<string, string>> = {
  decko: "MIT",
  stickyfill: "MIT",
  "url-template": "BSD-3-Clause",
};

/** True if a licence is allowed: an SPDX identifier, or several of which one (OR) or each (AND) must be. */
export function allows(licence: string, allowed: ReadonlySet<string>): boolean {
  const plain = licence.replace(/^\((.*)\)$/, "$1");
  if (plain.includes(" OR ")) return plain.split(" OR ").some((one) => allowed.has(one));
  return plain.split(" AND ").every((one) => allowed.has(one));
}

/** What is wrong with the packages of a lock file, by their paths: licences that are not allowed, missing checksums. */
export function wrongPackages(packages: Readonly<Record<string, LockedPackage>>): string[] {
  return Object.entries(packages).flatMap(([path, { license, version, dev, integrity }]) => {
    if (path === "") return [];
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    const licence = named[name] ?? license;
    const wrong: string[] = [];
    if (licence === undefined) wrong.push(`${name} ${version} names no licence`);
    else if (!allows(licence, dev ? tools : shipped)) wrong.push(`${name} ${version} has the licence ${licence}`);
    if (integrity === undefined) wrong.push(`${name} ${version} has no checksum`);
    return wrong;
  });
}

/** What of a changelog speaks against releasing a version. */
export function wrongChangelog(text: string, version: string): string[] {
  const [, ...sections] = text.split(/^## /m);
  const titles = sections.map((section) => section.split("\n", 1)[0] ?? "");
  const unreleased = sections[titles.indexOf("Unreleased")]?.split("\n").slice(1).join("").trim() ?? "";
  const of = titles.find((title) => title === version || title.startsWith(`${version} `));
  return [
    ...(of === undefined ? [`CHANGELOG.md has no section ${version}`] : []),
    ...(unreleased === "" ? [] : ["CHANGELOG.md has unreleased changes"]),
  ];
}
