import { networksIn } from "../../program/network.ts";
import {
  number,
  path,
  quoted,
  row,
  SettingError,
  type SettingReader,
  type Table,
  text,
  type Values,
  webAddress,
  yes,
} from "../../program/setting.ts";

/** Networks as text, separated by commas, for `networksIn`; "" for none. */
const networks: SettingReader<string> = {
  ...text(
    'networks separated by commas, like "10.0.0.0/8, 192.168.1.5, fd00::/8", or nothing',
    (value) => value.trim() === "" || networksIn(value).wrong === undefined,
  ),
  placeholder: "NETWORKS",
};

/** Texts in a list, or one text with commas between. */
const list = (wanted: string): SettingReader<readonly string[]> => ({
  wanted: `${wanted}, as a list or separated by commas`,
  schema: { anyOf: [{ type: "array", items: { type: "string" } }, { type: "string" }] },
  parse(value) {
    const given: unknown = typeof value === "string" ? value.split(",") : value;
    if (!Array.isArray(given)) return undefined;
    const all: unknown[] = given;
    if (!all.every((one) => typeof one === "string" && one.length <= 256 && !/\p{Cc}/u.test(one))) return undefined;
    return (all as string[]).map((one) => one.trim()).filter((one) => one !== "");
  },
});

/** A site whose pages may show the hub's, as a Content-Security-Policy names it. */
const site = /^https?:\/\/(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::(?:\d{1,5}|\*))?$/i;
const anyList = list('addresses of sites without a path, like "https://wiki.lab.example" or "https://*.lab.example"');
const sites: SettingReader<readonly string[]> = {
  ...anyList,
  parse(value) {
    const given = anyList.parse(value)?.map((one) => one.replace(/\/$/, ""));
    return given?.every((one) => site.test(one)) ? given : undefined;
  },
};

/** Headers that say something else already: they cannot name people. */
const usedHeaders =
  /^(accept.*|authorization|connection|content-.*|cookie|expect|forwarded|host|if-.*|keep-alive|last-event-id|origin|range|referer|sec-.*|te|trailer|transfer-encoding|upgrade|user-agent|via|x-forwarded-(for|host|proto|port|prefix|server)|x-real-ip)$/i;

/** Name of a header (RFC 9110 §5.1). */
const headerName = text(
  'the name of a header of its own, like "Remote-User"',
  (value) => /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/.test(value) && !usedHeaders.test(value),
);

/** Networks of proxies: whoever is in them may say that they are anybody. */
const believed: SettingReader<string> = {
  ...text(
    'networks of reverse proxies separated by commas, like "127.0.0.1, 10.0.0.5", and not everyone\'s ("/0")',
    (value) => value.trim() === "" || (networksIn(value).wrong === undefined && !/\/0+\s*(,|$)/.test(value)),
  ),
  placeholder: "NETWORKS",
};
const claimName = text('the name of a claim, like "groups"', (value) => /^[\x21-\x7e]{1,128}$/.test(value));
const line = text("a text without line breaks", (value) => value.length <= 1024 && !/\p{Cc}/u.test(value));

export const table = {
  tlsCert: row({
    name: "hub.tls.cert",
    env: "GOHM_HUB_TLS_CERT",
    default: "",
    help: "Certificate (PEM, with intermediate ones after it) for https on the hub's port, and TLS on its gRPC port; a renewed one is used without a restart. Over http, pages are redirected, machines may report, and everything else is refused.",
    reader: path("file"),
  }),
  tlsKey: row({
    name: "hub.tls.key",
    env: "GOHM_HUB_TLS_KEY",
    default: "",
    help: "Private key (PEM) of that certificate.",
    reader: path("file"),
    keyFile: true,
  }),
  allow: row({
    name: "hub.allow",
    env: "GOHM_HUB_ALLOW",
    default: "",
    help: "Who may connect to the hub at all, by HTTP and gRPC: networks and addresses. Other connections are reset before a byte is read. Empty: everyone. Probes and proxies on the hub's machine connect from 127.0.0.1.",
    reader: networks,
  }),
  proxies: row({
    name: "hub.proxies",
    env: "GOHM_HUB_PROXIES",
    default: "127.0.0.0/8, ::1",
    help: "Reverse proxies whose X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host are believed: their networks. Those of other clients are ignored. Each must add to these headers or replace them (docs/deploy.md). Empty: none is believed.",
    reader: networks,
  }),
  embed: row<readonly string[]>({
    name: "hub.embed",
    env: "GOHM_HUB_EMBED",
    default: [],
    help: "Sites whose pages may show the hub's page in a frame. Pages of the hub itself always may. Browsers send no session to a frame in a page of another domain: it shows what everyone may see.",
    reader: sites,
  }),
  proxyFrom: row({
    name: "auth.proxy.from",
    env: "GOHM_AUTH_PROXY_FROM",
    default: "",
    help: "Reverse proxies that sign people in and name them in a header: their networks. Empty: none. The address of the connection counts; headers from elsewhere are ignored.",
    reader: believed,
  }),
  proxyUser: row({
    name: "auth.proxy.user",
    env: "GOHM_AUTH_PROXY_USER",
    default: "Remote-User",
    help: "Header in which such a proxy names who is signed in.",
    reader: headerName,
  }),
  proxyGroups: row({
    name: "auth.proxy.groups",
    env: "GOHM_AUTH_PROXY_GROUPS",
    default: "Remote-Groups",
    help: "Header with the groups of that person; a person without it has no groups.",
    reader: headerName,
  }),
  proxySeparator: row({
    name: "auth.proxy.separator",
    env: "GOHM_AUTH_PROXY_SEPARATOR",
    default: ",",
    help: "What separates groups in that header.",
    reader: text("one to three characters", (value) => value.length >= 1 && value.length <= 3),
  }),
  proxyAdminGroups: row<readonly string[]>({
    name: "auth.proxy.admin_groups",
    env: "GOHM_AUTH_PROXY_ADMIN_GROUPS",
    default: [],
    help: "Groups whose members are administrators; all others are viewers.",
    reader: list("names of groups"),
  }),
  admins: row<readonly string[]>({
    name: "auth.admins",
    env: "GOHM_AUTH_ADMINS",
    default: [],
    help: "User names of people who are administrators when they are signed in from elsewhere (auth.oidc, auth.proxy), whatever their groups.",
    reader: list("user names"),
  }),
  oidcIssuer: row({
    name: "auth.oidc.issuer",
    env: "GOHM_AUTH_OIDC_ISSUER",
    default: "",
    help: "Address of an OpenID Connect provider (Keycloak, Authentik, Authelia, Entra ID, …), where people may sign in. Empty: none.",
    reader: webAddress,
  }),
  oidcName: row({
    name: "auth.oidc.name",
    env: "GOHM_AUTH_OIDC_NAME",
    default: "",
    help: 'What the page calls that provider: "Sign in with …". Empty: the host of its address.',
    reader: text("at most 40 characters in one line", (value) => value.length <= 40 && !/\p{C}/u.test(value)),
  }),
  oidcClientId: row({
    name: "auth.oidc.client_id",
    env: "GOHM_AUTH_OIDC_CLIENT_ID",
    default: "",
    help: "Name under which that provider knows this hub.",
    reader: line,
  }),
  oidcSecretFile: row({
    name: "auth.oidc.client_secret_file",
    env: "GOHM_AUTH_OIDC_CLIENT_SECRET_PATH",
    default: "",
    help: "File with the client's secret, which is read anew at each sign-in. GOHM_AUTH_OIDC_CLIENT_SECRET or GOHM_AUTH_OIDC_CLIENT_SECRET_FILE may give it instead. Without a secret, the client is a public one.",
    reader: path("file"),
    keyFile: true,
  }),
  oidcSecret: row({
    name: "auth.oidc.client_secret",
    env: "GOHM_AUTH_OIDC_CLIENT_SECRET",
    only: "env",
    default: "",
    help: "That secret.",
    reader: line,
    secret: true,
  }),
  oidcScopes: row({
    name: "auth.oidc.scopes",
    env: "GOHM_AUTH_OIDC_SCOPES",
    default: "openid profile groups",
    help: 'Scopes asked for, with spaces between; "openid" is one. Of the default, those that the provider does not list are left out, as some refuse what they do not know; others are sent as they are.',
    reader: text(
      'scopes with spaces between, "openid" among them',
      (value) => /^[\x21-\x7e]+( [\x21-\x7e]+)*$/.test(value) && value.split(" ").includes("openid"),
    ),
  }),
  oidcNameClaim: row({
    name: "auth.oidc.name_claim",
    env: "GOHM_AUTH_OIDC_NAME_CLAIM",
    default: "preferred_username",
    help: 'Claim with the user name, which becomes that of the account. A dot leads into a claim: "realm.name".',
    reader: claimName,
  }),
  oidcGroupsClaim: row({
    name: "auth.oidc.groups_claim",
    env: "GOHM_AUTH_OIDC_GROUPS_CLAIM",
    default: "groups",
    help: "Claim with the groups of a person: a list, or one text. If the ID token does not have it, the provider is asked (userinfo).",
    reader: claimName,
  }),
  oidcAdminGroups: row<readonly string[]>({
    name: "auth.oidc.admin_groups",
    env: "GOHM_AUTH_OIDC_ADMIN_GROUPS",
    default: [],
    help: "Groups whose members are administrators; all others are viewers.",
    reader: list("names of groups"),
  }),
  oidcGroups: row<readonly string[]>({
    name: "auth.oidc.groups",
    env: "GOHM_AUTH_OIDC_GROUPS",
    default: [],
    help: "Groups whose members may sign in, beside administrators. Empty: everybody whom the provider knows.",
    reader: list("names of groups"),
  }),
  oidcCa: row({
    name: "auth.oidc.ca",
    env: "GOHM_AUTH_OIDC_CA",
    default: "",
    help: "Certificate authorities (PEM file) of that provider; if empty, those of the system.",
    reader: path("file"),
  }),
  oidcClockTolerance: row({
    name: "auth.oidc.clock_tolerance",
    env: "GOHM_AUTH_OIDC_CLOCK_TOLERANCE",
    default: 60,
    help: "Seconds by which the clocks of provider and hub may differ.",
    reader: number("seconds", 0, 600),
  }),
  oidcSession: row({
    name: "auth.oidc.session",
    env: "GOHM_AUTH_OIDC_SESSION",
    default: 24,
    help: "Hours after which a person must sign in at the provider again, which usually knows them still. Until then, what changes there has no effect: groups, and accounts that are closed.",
    reader: number("hours", 1, 2160),
  }),
  oidcInsecure: row({
    name: "auth.oidc.insecure",
    env: "GOHM_AUTH_OIDC_INSECURE",
    default: false,
    help: "Accepts a provider without https. Everyone on the way can then read and change who signs in.",
    reader: yes,
  }),
} satisfies Table;

/** Checks settings against one another. @throws SettingError */
export function check({ oidcIssuer, oidcClientId, oidcInsecure }: Values<typeof table>): void {
  if (oidcIssuer === "") return;
  const { oidcIssuer: issuer, oidcClientId: client } = table;
  if (oidcClientId === "") {
    throw new SettingError(
      `Cannot read setting "${client.name}" (${client.env}): ${issuer.name} is set, so it must be the name under which that provider knows this hub: it is empty`,
    );
  }
  if (oidcInsecure || !/^http:/i.test(oidcIssuer)) return;
  throw new SettingError(
    `Cannot read setting "${issuer.name}" (${issuer.env}): must begin with https://, as everyone on the way can change who signs in otherwise; ${table.oidcInsecure.name} allows that: current value is ${quoted(oidcIssuer)}`,
  );
}

/** What the settings say of who may come in, and by which way. */
export type DoorSettings = Values<typeof table>;
