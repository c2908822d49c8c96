import { networksIn } from "../program/network.ts";
import { SettingError } from "../program/setting.ts";

/** Networks whose peers may connect. */
export interface Allow {
  /** As given, for the log. */
  readonly text: string;
  allows(address: string): boolean;
}

/**
 * Reads GOHM_ALLOW: networks and single addresses, IPv4 and IPv6, separated by commas.
 * @throws SettingError naming the part that is not a network.
 */
export function parseAllow(text: string): Allow {
  const { has, wrong } = networksIn(text);
  if (wrong !== undefined) {
    throw new SettingError(
      `Cannot read setting "allow" (GOHM_ALLOW): must be networks or addresses separated by commas, ` +
        `like "10.0.0.0/8, 192.168.1.5, fd00::/8": ${JSON.stringify(wrong)} is not one`,
    );
  }
  const pieces = text.split(",").map((piece) => piece.trim());
  return { text: pieces.join(", "), allows: has };
}
