// People whom a reverse proxy in front of the hub has signed in: it names them in a header of each request.
import { type NetworkList, networksIn } from "../../program/network.ts";
import { clean } from "../../proto/clean.ts";
import { Fault } from "../fault.ts";
import type { DoorSettings } from "./settings.ts";

/** A person as such a proxy names them. */
export interface ProxyPerson {
  readonly name: string;
  readonly isAdministrator: boolean;
}

/** What of a request tells who sends it. */
export interface ProxiedRequest {
  /** Network address of the other end of the connection. */
  readonly peer: string;
  /** Value of a header, by its name in lower case; of several, all with commas between. */
  header(name: string): string | undefined;
  /** How often a header is there. */
  times?(name: string): number;
}

/** Longest name of a person. */
const longestName = 128;

/** What is invisible, or turns the text around it. */
const hidden = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;

/**
 * A text without blanks around it. With other spaces there it is another text, as it is to the provider, where somebody may have
 * chosen it: it stays as it is.
 */
function bare(text: string): string {
  const inner = text.trim();
  return /^[ \t]*$/.test(text.replace(inner, "")) ? inner : text;
}

/** Values with which proxies say that nobody is signed in: the second one is Apache's for a variable that is not set. */
const nobody: readonly string[] = ["", "(null)"];

/** Finds out whom a proxy of auth.proxy.from has signed in. */
export class ProxySignIn {
  readonly #settings: () => DoorSettings;
  #from: { readonly text: string; readonly networks: NetworkList } = { text: "", networks: networksIn("") };

  constructor(settings: () => DoorSettings) {
    this.#settings = settings;
  }

  /**
   * The person of a request; undefined if its connection is not one of such a proxy, or it names nobody.
   * @throws Fault access_denied if the header does not name exactly one person: whoever sends two hopes that the other is read
   */
  personOf(request: ProxiedRequest): ProxyPerson | undefined {
    if (!this.#isFrom(request.peer)) return undefined;
    const { proxyUser, proxyGroups, proxySeparator, proxyAdminGroups, admins } = this.#settings();
    const named = textOf(request, proxyUser);
    if (named === undefined || nobody.includes(named)) return undefined;
    const name = named.normalize("NFC");
    if (name.includes(",") || name.length > longestName) throw refusal(request, proxyUser, "must name one person");
    // Read for everyone, so that a proxy that is not set up well is found before an administrator comes.
    const groups = (textOf(request, proxyGroups) ?? "").split(proxySeparator).map(bare);
    return {
      name,
      isAdministrator: admins.includes(named) || groups.some((group) => proxyAdminGroups.includes(group)),
    };
  }

  /** Names of the headers that nobody at this other end of a connection may send, in lower case. */
  foreign(peer: string): readonly string[] {
    if (this.#isFrom(peer)) return [];
    const { proxyUser, proxyGroups } = this.#settings();
    return [proxyUser.toLowerCase(), proxyGroups.toLowerCase()];
  }

  #isFrom(peer: string): boolean {
    const { proxyFrom: text } = this.#settings();
    if (text !== this.#from.text) this.#from = { text, networks: networksIn(text) };
    return this.#from.networks.has(peer);
  }
}

/** The text of a header that is there once. @throws Fault access_denied */
function textOf(request: ProxiedRequest, header: string): string | undefined {
  const name = header.toLowerCase();
  const value = request.header(name);
  if (value === undefined) return undefined;
  if ((request.times?.(name) ?? 1) > 1) throw refusal(request, header, "must be there once: the proxy must replace it");
  const text = decode(value);
  const inner = text === undefined ? undefined : bare(text);
  if (inner !== undefined && !hidden.test(inner)) return inner;
  throw refusal(request, header, "must be a text in UTF-8 without control characters");
}

/** Decodes UTF-8: Node reads each byte of a header as a character. Undefined for other bytes. */
function decode(value: string): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(value, "latin1"));
  } catch {
    // Not UTF-8: the caller says so.
    return undefined;
  }
}

function refusal({ peer, header }: ProxiedRequest, name: string, wanted: string): Fault {
  const value = header(name.toLowerCase()) ?? "";
  const shown = JSON.stringify(clean(decode(value) ?? value, 100));
  return new Fault("access_denied", `The header ${name} of the proxy ${peer} ${wanted}: it is ${shown} (auth.proxy).`);
}
