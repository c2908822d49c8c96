import { adminText } from "../../language.ts";
import type { Node } from "./call.ts";

type SettingsFile = NonNullable<Node["file"]>;

/** True if the settings file lists a host, and the hub cannot change the file. */
export const isFixed = ({ file }: Node): boolean => file !== null && file.obstacle !== null;

/** Whether the settings file, which lists a host, is changed by the hub, or by whom else. */
export function fileText({ path, obstacle, reason, owner }: SettingsFile): string {
  const t = adminText();
  if (obstacle === null) return t.inFile(path);
  const why = obstacle === "invalid" ? (reason ?? "") : t.obstacles[obstacle];
  return t.notInFile(path, why, owner ?? "");
}
