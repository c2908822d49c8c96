import type { Role } from "../../book/book.ts";
import type { Person } from "../../door/provider.ts";
import type { DoorSettings } from "../../door/settings.ts";

/** Providers know people whatever the case of their letters. Names that look alike in other ways may be two people's there. */
const folded = (name: string): string => name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

/** The role that a person has by their groups and the settings; undefined for one who may not sign in. */
export function roleOf(
  { name, groups }: Pick<Person, "name" | "groups">,
  { admins, oidcAdminGroups, oidcGroups }: Pick<DoorSettings, "admins" | "oidcAdminGroups" | "oidcGroups">,
): Role | undefined {
  const isNamed = admins.some((admin) => folded(admin) === folded(name));
  const isIn = (wanted: readonly string[]): boolean => wanted.some((group) => groups.includes(group));
  if (isNamed || isIn(oidcAdminGroups)) return "administrator";
  return oidcGroups.length === 0 || isIn(oidcGroups) ? "viewer" : undefined;
}
