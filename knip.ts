import type { KnipConfig } from "knip";

// `knip --production` looks only at what the programs run: a function that they use within its file may be exported for
// its test. Patterns of that mode end in "!".
const production = process.argv.includes("--production");

export default {
  entry: [
    "agent/main.ts!",
    "hub/launcher.ts!",
    "hub/main.ts!",
    "web/docs.ts!",
    "web/main.tsx!",
    "scripts/*.ts",
    "bench/fleet.ts",
    "bench/history/ingest.ts",
    "bench/history/micro.ts",
    "test/browser/screenshots.ts",
    "test/fault/book-writer.ts",
    "test/fault/settings-writer.ts",
    "test/fault/history-writer.ts",
    "test/fault/lookup.ts",
    "{test,proto,program,agent,hub,web,scripts}/**/*.test.{ts,tsx}",
  ],
  project: ["{proto,program,agent,hub,web}/**/*.{ts,tsx}!", "{scripts,test,bench}/**/*.{ts,tsx}"],
  ignoreDependencies: [
    "@biomejs/biome",
    "@bufbuild/buf",
    "@bufbuild/protoc-gen-es",
    "axe-core",
    "koffi",
    "postject",
    "redoc",
    "swagger-ui-dist",
  ],
  ignoreBinaries: [
    "aarch64-linux-gnu-gcc",
    "aarch64-linux-gnu-strip",
    "apt-get",
    "cc",
    "dpkg-deb",
    "gcc",
    "getent",
    "kubectl",
    "mkfifo",
    "mount",
    "openssl",
    "promtool",
    "script",
    "setpriv",
    "shellcheck",
    "strip",
    "systemd-analyze",
    "umount",
    "unshare",
  ],
  ignoreExportsUsedInFile: production || { interface: true, type: true },
} satisfies KnipConfig;
