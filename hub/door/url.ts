// The hub's public address (hub.url). Its path is where a proxy serves the hub: "https://lab.example/gohm".
import { type SettingReader, webAddress } from "../../program/setting.ts";

/**
 * First parts of the hub's own paths. Below a path that begins with one of them, a request whose path the proxy has cut off
 * could not be told from one whose path is whole.
 */
export const ownParts: readonly string[] = [
  ...["-", "api", "backup", "docs", "feed", "health", "healthz", "hist", "host", "livez", "metrics", "openapi.json"],
  ...["pk", "readyz", "redoc"],
];

/** A folder that means itself in cookies, redirects and requests. */
const folder = /^[A-Za-z0-9_~-][A-Za-z0-9._~-]*$/;

/** `hub.url`. */
export const publicAddress: SettingReader<string> = {
  ...webAddress,
  wanted: `an address like "https://gpus.lab.example" or "https://lab.example/gohm", without user, query and fragment; folders of its path are made of letters, digits, "-", "_", "~" and ".", and the first is none of the hub's own (${ownParts.join(", ")}); or nothing`,
  parse(value) {
    const given = webAddress.parse(value);
    const folders = basePathOf(given ?? "")
      .split("/")
      .slice(1);
    return folders.every((one) => folder.test(one)) && !ownParts.includes(folders[0] ?? "") ? given : undefined;
  },
};

/** The path of `hub.url` without a slash at the end: "" for none. */
export const basePathOf = (url: string): string => (url === "" ? "" : new URL(url).pathname.replace(/\/$/, ""));

/**
 * Cuts the base path off the target of a request, as far as a proxy left it there. A target without it stays as it is.
 * @returns undefined for the base path itself, whose relative links would lead out of it
 */
export function belowBase(target: string, base: string): string | undefined {
  if (base === "") return target;
  const [, origin = "", path = ""] = /^([a-z][a-z0-9+.-]*:\/\/[^/?#]*)?(.*)$/is.exec(target) ?? [];
  if (!path.startsWith(base)) return target;
  const rest = path.slice(base.length);
  if (rest === "" || rest.startsWith("?")) return undefined;
  return rest.startsWith("/") ? origin + rest : target;
}
