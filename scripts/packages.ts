// System packages that some tests need: real peers (a browser, a gRPC client in another language, a C compiler).
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** A Debian package, a file that shows it is there, and what cannot be tested without it. */
interface Need {
  readonly name: string;
  readonly shownBy: string;
  readonly purpose: string;
}

const arm64 = "the single executable for arm64, which is run in an emulator";

/** For another processor than the machine's own. */
const foreign: readonly Need[] = [
  { name: "binutils-aarch64-linux-gnu", shownBy: "/usr/bin/aarch64-linux-gnu-strip", purpose: arm64 },
  { name: "gcc-aarch64-linux-gnu", shownBy: "/usr/bin/aarch64-linux-gnu-gcc", purpose: arm64 },
  { name: "libc6-dev-arm64-cross", shownBy: "/usr/aarch64-linux-gnu/include/stdio.h", purpose: arm64 },
  { name: "libstdc++6-arm64-cross", shownBy: "/usr/aarch64-linux-gnu/lib/libstdc++.so.6", purpose: arm64 },
  { name: "qemu-user-static", shownBy: "/usr/bin/qemu-aarch64-static", purpose: arm64 },
];

const needs: readonly Need[] = [
  ...(process.arch === "x64" ? foreign : []),
  { name: "binutils", shownBy: "/usr/bin/strip", purpose: "the single executable" },
  { name: "chromium", shownBy: "/usr/bin/chromium", purpose: "browser tests" },
  { name: "fish", shownBy: "/usr/bin/fish", purpose: "completion of gohm" },
  { name: "fonts-noto-cjk", shownBy: "/usr/share/fonts/opentype/noto", purpose: "Chinese in the browser tests" },
  { name: "gcc", shownBy: "/usr/bin/gcc", purpose: "the NVML player" },
  { name: "libc6-dev", shownBy: "/usr/include/stdio.h", purpose: "the NVML player" },
  { name: "openssl", shownBy: "/usr/bin/openssl", purpose: "certificates in the TLS tests" },
  { name: "prometheus", shownBy: "/usr/bin/promtool", purpose: "a real scraper for the exporter" },
  { name: "python3-grpcio", shownBy: "/usr/lib/python3/dist-packages/grpc", purpose: "the Python client" },
  { name: "python3-grpc-tools", shownBy: "/usr/lib/python3/dist-packages/grpc_tools", purpose: "the Python client" },
  { name: "shellcheck", shownBy: "/usr/bin/shellcheck", purpose: "the installer's shell" },
  { name: "systemd", shownBy: "/usr/bin/systemd-analyze", purpose: "what systemd says of the units" },
  { name: "zsh", shownBy: "/usr/bin/zsh", purpose: "completion of gohm" },
];

/** Installs what is missing with apt where that is possible. Says in one line a package what is not tested without it. */
export function ensurePackages(): void {
  const missing = (): readonly Need[] => needs.filter((need) => !existsSync(need.shownBy));
  if (missing().length === 0) return;
  const root = process.getuid?.() === 0;
  if (root && existsSync("/usr/bin/apt-get")) {
    const names = missing().map((need) => need.name);
    console.log(`Installing system packages for the tests: ${names.join(" ")}`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const apt = (...args: string[]): void => {
      const { status, stderr } = spawnSync("apt-get", args, { env, encoding: "utf8", timeout: 600_000 });
      if (status !== 0) console.log(`apt-get ${args[0]} failed: ${stderr.trim().split("\n").at(-1) ?? ""}`);
    };
    apt("update", "-q");
    apt("install", "-qy", "--no-install-recommends", ...names);
  }
  for (const { name, purpose } of missing()) {
    console.log(`Not installed: ${name} (${purpose}): those tests are skipped. As root: apt-get install ${name}`);
  }
}
