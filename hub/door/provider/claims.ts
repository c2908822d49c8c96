/** Most groups of a person that are looked at, and most characters of one. */
const mostGroups = 10_000;
const longestGroup = 1024;

type Claims = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Claims =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The value of a claim. A name with dots that is not a claim's own is a path: "realm_access.roles" of Keycloak. */
export function claimIn(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  let value: unknown = claims;
  for (const part of name.split(".")) {
    if (!isObject(value) || !Object.hasOwn(value, part)) return undefined;
    value = value[part];
  }
  return value;
}

/** Groups of a claim, which is a list, or one text; undefined for anything else. */
export function groupsIn(claims: Claims, name: string): readonly string[] | undefined {
  const value = claimIn(claims, name);
  if (typeof value === "string") return [value];
  if (!Array.isArray(value)) return undefined;
  return value.slice(0, mostGroups).filter((one) => typeof one === "string" && one.length <= longestGroup);
}

/** True if a provider left out a claim because it has too many values, as Entra ID does (OpenID Connect Core §5.6.2). */
export function isLeftOut(claims: Claims, name: string): boolean {
  const elsewhere = claims._claim_names;
  return isObject(elsewhere) && Object.hasOwn(elsewhere, name);
}
