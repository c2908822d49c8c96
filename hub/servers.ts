import { isDeepStrictEqual } from "node:util";
import { address, quoted, SettingError, type SettingReader } from "../program/setting.ts";

/** A server in the settings file: its address, or an object with its address, group and labels. */
type Server =
  | string
  | { readonly address: string; readonly group?: string; readonly labels?: Readonly<Record<string, string>> };

/** Servers by name, in the order of the file. */
export type Servers = Readonly<Record<string, Server>>;

/** No path of an address can carry a name of dots alone. */
const serverName = /^(?!\.+$)[A-Za-z0-9._-]{1,64}$/;
const groupName = /^[^\p{Cc}]{1,64}$/u;
const labelValue = /^[^\p{Cc}]{0,256}$/u;
/** Most labels of a server. */
const mostLabels = 32;
const place = { type: "string", pattern: "^(tls://)?(\\[[0-9a-fA-F:.]+\\]|[^\\s:/\\[\\]]+):[0-9]{1,5}$" };

export const servers: SettingReader<Servers> = {
  wanted:
    'an object of name → "host:port" or "tls://host:port", or {"address": that, "group": the group it belongs to, "labels": {"rack": "b2"}}; names of 1 to 64 letters, digits, dots, underscores and hyphens, and not only dots',
  schema: {
    type: "object",
    propertyNames: { pattern: serverName.source },
    additionalProperties: {
      anyOf: [
        place,
        {
          type: "object",
          properties: {
            address: place,
            group: { type: "string", minLength: 1, maxLength: 64 },
            labels: {
              type: "object",
              propertyNames: { minLength: 1, maxLength: 64 },
              additionalProperties: { type: "string", maxLength: 256 },
              maxProperties: mostLabels,
            },
          },
          required: ["address"],
          additionalProperties: false,
        },
      ],
    },
  },
  parse(value) {
    if (!isObject(value)) return undefined;
    for (const [name, server] of Object.entries(value)) {
      if (!serverName.test(name)) {
        throw new SettingError(
          `Cannot read setting "servers": a name must be ${serverNameWanted}: current value is ${quoted(name)}`,
        );
      }
      if (isObject(server)) checkParts(`servers.${name}`, server);
      else checkAddress(`servers.${name}`, server);
    }
    return value as Servers;
  },
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** @throws SettingError */
function checkParts(name: string, { address: at, group, labels, ...others }: Record<string, unknown>): void {
  const [stranger] = Object.keys(others);
  if (stranger !== undefined) {
    throw new SettingError(`Unknown setting "${name}.${stranger}": a server has "address", "group" and "labels"`);
  }
  checkAddress(`${name}.address`, at);
  if (group !== undefined && !(typeof group === "string" && groupName.test(group))) {
    throw refusal(`${name}.group`, "a name of 1 to 64 characters, none of them a control character", group);
  }
  if (labels !== undefined) checkLabels(`${name}.labels`, labels);
}

/** @throws SettingError */
function checkLabels(name: string, labels: unknown): void {
  if (!isObject(labels) || Object.keys(labels).length > mostLabels) {
    throw refusal(name, `an object of at most ${mostLabels} texts, like {"rack": "b2"}`, labels);
  }
  for (const [label, value] of Object.entries(labels)) {
    if (!groupName.test(label)) {
      throw refusal(name, "labels with names of 1 to 64 characters, none of them a control character", label);
    }
    if (typeof value === "string" && labelValue.test(value)) continue;
    throw refusal(`${name}.${label}`, "a text of at most 256 characters, none of them a control character", value);
  }
}

/** @throws SettingError */
function checkAddress(name: string, at: unknown): void {
  const bare: unknown = typeof at === "string" ? at.replace(/^tls:\/\//, "") : at;
  if (address.parse(bare) === undefined) throw refusal(name, serverAddressWanted, at);
}

const refusal = (name: string, wanted: string, value: unknown): SettingError =>
  new SettingError(`Cannot read setting "${name}": must be ${wanted}: current value is ${quoted(value)}`);

/** What a name of a server must be. */
export const serverNameWanted = "1 to 64 letters, digits, dots, underscores and hyphens, and not only dots";

/** True if a host that is added may have the name. No address of a browser leads to a host called "..". */
export const isServerName = (name: string): boolean => serverName.test(name);

/** What an address of a server must be. */
export const serverAddressWanted = 'an address with its port, like "10.0.0.17:9203" or "tls://gpu1:9203"';

export const isServerAddress = (at: string): boolean => address.parse(at.replace(/^tls:\/\//, "")) !== undefined;

/** Addresses by server name: "host:port" or "tls://host:port". A Map, since a server may be called "constructor". */
export const addresses = (all: Servers): ReadonlyMap<string, string> =>
  new Map(Object.entries(all).map(([name, server]) => [name, typeof server === "string" ? server : server.address]));

/** The group and labels of a server; undefined if there is no such server. */
export function partsOf(
  all: Servers,
  name: string,
): { readonly group?: string; readonly labels?: Readonly<Record<string, string>> } | undefined {
  // Every object has a "constructor", which a server may be called.
  const server = Object.hasOwn(all, name) ? all[name] : undefined;
  return typeof server === "string" ? {} : server;
}

/** The servers of the settings file, as it is at the moment. */
export class ServerList {
  #servers: Servers;
  readonly #listeners = new Set<() => void>();

  constructor(servers: Servers) {
    this.#servers = servers;
  }

  addresses(): ReadonlyMap<string, string> {
    return addresses(this.#servers);
  }

  group(name: string): string | undefined {
    return partsOf(this.#servers, name)?.group;
  }

  labels(name: string): Readonly<Record<string, string>> | undefined {
    return partsOf(this.#servers, name)?.labels;
  }

  change(servers: Servers): void {
    const same = isDeepStrictEqual(servers, this.#servers);
    this.#servers = servers;
    if (!same) for (const listener of this.#listeners) listener();
  }

  /** Calls the listener after every change. @param listener must not throw @returns a function that ends this */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** A change of a server of the settings file; what is absent stays. */
export interface ServerChange {
  readonly address?: string;
  /** Null removes it. */
  readonly group?: string | null;
  /** By name; null removes one. */
  readonly labels?: Readonly<Record<string, string | null>>;
}

/**
 * Why the hub cannot change the settings file: its file system is read-only; it belongs to another user or its folder cannot be
 * written; it is mounted by itself; it has further hard links; it is not valid at the moment.
 */
export const obstacles = ["read_only", "permission", "mount", "links", "invalid"] as const;

export interface Obstacle {
  readonly kind: (typeof obstacles)[number];
  /** In words, without a full stop. */
  readonly reason: string;
  /** User to whom the file belongs; undefined if there is none. */
  readonly owner: string | undefined;
}
