// dist/gohm: checks Node's version before it loads the hub, which old versions cannot read or crash on.
const oldest = process.env.GOHM_OLDEST_NODE ?? "0";

/** True if `version` ("22.19.1") is at least `wanted` ("22.19"). */
function atLeast(version: string, wanted: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = wanted.split(".").map(Number);
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}

if (atLeast(process.versions.node, oldest)) {
  // Not a literal: the bundler would look for the file, which is built beside this one.
  const hub = "./gohm.mjs";
  import(hub);
} else {
  process.stderr.write(
    `gohm: needs Node ${oldest} or later, and ${process.execPath} is ${process.version}. ` +
      "Install a newer Node; in a folder where `npm ci` ran, `npx gohm` finds the right one.\n",
  );
  process.exit(1);
}
