// Debian packages that some tests need: a browser, a gRPC client in another language, a C compiler.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** A Debian package that tests need. */
interface SystemPackage {
  readonly name: string;
  /** A file of the package: if it exists, the package is installed. */
  readonly shownBy: string;
  /** Tests that are skipped without it. */
  readonly tests: string;
}

const arm64 = "tests of the single executable for arm64 in an emulator";

/** Packages for arm64, to build and run programs for it on an x64 machine. */
const foreign: readonly SystemPackage[] = [
  { name: "binutils-aarch64-linux-gnu", shownBy: "/usr/bin/aarch64-linux-gnu-strip", tests: arm64 },
  { name: "gcc-aarch64-linux-gnu", shownBy: "/usr/bin/aarch64-linux-gnu-gcc", tests: arm64 },
  { name: "libc6-dev-arm64-cross", shownBy: "/usr/aarch64-linux-gnu/include/stdio.h", tests: arm64 },
  { name: "libstdc++6-arm64-cross", shownBy: "/usr/aarch64-linux-gnu/lib/libstdc++.so.6", tests: arm64 },
  { name: "qemu-user-static", shownBy: "/usr/bin/qemu-aarch64-static", tests: arm64 },
];

const packages: readonly SystemPackage[] = [
  ...(process.arch === "x64" ? foreign : []),
  { name: "binutils", shownBy: "/usr/bin/strip", tests: "tests of the single executable" },
  { name: "caddy", shownBy: "/usr/bin/caddy", tests: "tests behind a real Caddy" },
  { name: "chromium", shownBy: "/usr/bin/chromium", tests: "browser tests" },
  { name: "fish", shownBy: "/usr/bin/fish", tests: "tests of shell completion" },
  { name: "fonts-noto-cjk", shownBy: "/usr/share/fonts/opentype/noto", tests: "browser tests of Chinese text" },
  { name: "gcc", shownBy: "/usr/bin/gcc", tests: "tests with the NVML player" },
  { name: "libc6-dev", shownBy: "/usr/include/stdio.h", tests: "tests with the NVML player" },
  { name: "netdata-core", shownBy: "/usr/sbin/netdata", tests: "tests with a real Netdata" },
  { name: "nginx", shownBy: "/usr/sbin/nginx", tests: "tests behind a real nginx" },
  { name: "openssl", shownBy: "/usr/bin/openssl", tests: "TLS tests" },
  { name: "prometheus", shownBy: "/usr/bin/promtool", tests: "tests with a real Prometheus" },
  { name: "python3-grpcio", shownBy: "/usr/lib/python3/dist-packages/grpc", tests: "tests with a Python client" },
  {
    name: "python3-grpc-tools",
    shownBy: "/usr/lib/python3/dist-packages/grpc_tools",
    tests: "tests with a Python client",
  },
  {
    name: "python3-jsonschema",
    shownBy: "/usr/lib/python3/dist-packages/jsonschema",
    tests: "tests with a Python client of the OpenAPI document",
  },
  {
    name: "python3-pandas",
    shownBy: "/usr/lib/python3/dist-packages/pandas",
    tests: "comparisons of the logger's queries and of daily reports with pandas",
  },
  { name: "shellcheck", shownBy: "/usr/bin/shellcheck", tests: "checks of the installer with shellcheck" },
  { name: "systemd", shownBy: "/usr/bin/systemd-analyze", tests: "checks of the units with systemd-analyze" },
  { name: "zsh", shownBy: "/usr/bin/zsh", tests: "tests of shell completion" },
];

/** Installs missing packages with apt if possible. Prints one line for each that is still missing, with the tests it skips. */
export function ensurePackages(): void {
  const missing = (): readonly SystemPackage[] => packages.filter((each) => !existsSync(each.shownBy));
  if (missing().length === 0) return;
  const root = process.getuid?.() === 0;
  if (root && existsSync("/usr/bin/apt-get")) {
    const names = missing().map((each) => each.name);
    console.log(`Installing system packages for the tests: ${names.join(" ")}`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const apt = (...args: string[]): void => {
      const { status, stderr } = spawnSync("apt-get", args, { env, encoding: "utf8", timeout: 600_000 });
      if (status !== 0) console.log(`apt-get ${args[0]} failed: ${stderr.trim().split("\n").at(-1) ?? ""}`);
    };
    apt("update", "-q");
    apt("install", "-qy", "--no-install-recommends", ...names);
  }
  for (const { name, tests } of missing()) {
    console.log(`Package ${name} is not installed: ${tests} are skipped. As root: apt-get install ${name}`);
  }
}
