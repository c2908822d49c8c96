import { createSecureContext, type SecureContext } from "node:tls";
import type { ClientAuth, Configuration, CustomFetch, ExportedJWKSCache, ServerMetadata } from "openid-client";
import { authorities } from "../../program/authorities.ts";
import { readText } from "../../program/file.ts";
import type { Log } from "../log.ts";
import { failure, SignInFailure } from "./failure.ts";
import { outgoing } from "./outgoing.ts";
import { claimIn, groupsIn, isLeftOut } from "./provider/claims.ts";
import { failureOf, isClientRefusal, issuerFound } from "./provider/error.ts";
import { type DoorSettings, table } from "./settings.ts";

/** Time limit of one request, and most bytes of its answer. */
const limitMs = 8000;
const limitBytes = 2 ** 20;
/** Metadata of a provider are asked for again after this; after a failure sooner. */
const metadataMs = 3_600_000;
const failureMs = 5000;
/** Most sign-ins that wait for answers of the provider. */
const mostAtOnce = 16;
/** Most characters of an ID token that is sent back when a person signs out: it is part of an address. */
const longestHint = 4096;

const wellKnown = "/.well-known/openid-configuration";

/** What is secret of a sign-in, and where the person comes back to. */
export interface SignInRequest {
  /** Address of the callback, as the provider has it registered. */
  readonly redirect: string;
  readonly state: string;
  readonly nonce: string;
  /** PKCE's verifier (RFC 7636). */
  readonly verifier: string;
}

/** A person as the provider describes them. */
export interface Person {
  readonly issuer: string;
  readonly subject: string;
  /** Not checked. */
  readonly name: string;
  readonly groups: readonly string[];
  /** The ID token; "" if it is too long to be sent back. */
  readonly hint: string;
}

export interface ProviderOptions {
  readonly settings: () => DoorSettings;
  readonly log: Pick<Log, "info">;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Milliseconds, monotonic. */
  readonly ticks?: () => number;
  /** Time limit of one request. */
  readonly limitMs?: number;
}

type Library = typeof import("openid-client");
type ClientMethod = "ClientSecretBasic" | "ClientSecretPost";

/** Metadata of a provider, and what was learned of it. */
interface Discovered {
  readonly server: ServerMetadata;
  readonly at: number;
  keys?: ExportedJWKSCache | undefined;
  /** How the client proves who it is, once it is known. */
  method?: ClientMethod;
}

/**
 * The OpenID Connect provider of the settings. It is asked when a person signs in there, never before: one that is away
 * harms nobody else. Methods throw a SignInFailure.
 */
export class Provider {
  readonly #options: ProviderOptions;
  readonly #ticks: () => number;
  /** Seconds of one request. */
  readonly #limit: number;
  readonly #fetch: CustomFetch;
  /** What is known of the provider of these settings. */
  #key = "";
  #found: Discovered | undefined;
  #failed: { readonly error: unknown; readonly at: number } | undefined;
  #finding: Promise<Discovered> | undefined;
  #waiting = 0;
  #trusted: { readonly pem: string; readonly context: SecureContext } | undefined;

  constructor(options: ProviderOptions) {
    this.#options = options;
    this.#ticks = options.ticks ?? (() => performance.now());
    this.#limit = (options.limitMs ?? limitMs) / 1000;
    const ask = outgoing({ trust: () => this.#trust(), limitBytes });
    this.#fetch = (url, { method, headers, body, signal }) => {
      // The library sets a time limit for each request.
      const limited = signal ?? AbortSignal.timeout(this.#limit * 1000);
      return ask(url, { method, headers, signal: limited, ...(body != null && { body: String(body) }) });
    };
  }

  /** True if the settings name one. */
  get isSetUp(): boolean {
    return this.#settings.oidcIssuer !== "";
  }

  /** Its name for people: that of the settings, or its host. */
  get name(): string {
    return this.#settings.oidcName || this.#host;
  }

  /** Address at which a person signs in. */
  async begin({ redirect, state, nonce, verifier }: SignInRequest): Promise<string> {
    return await this.#attempt(async (library) => {
      const { server } = await this.#discover(library);
      const address = library.buildAuthorizationUrl(this.#configure(library, server), {
        redirect_uri: redirect,
        scope: scopesFor(this.#settings.oidcScopes, server.scopes_supported),
        code_challenge: await library.calculatePKCECodeChallenge(verifier),
        code_challenge_method: "S256",
        state,
        nonce,
      });
      return address.href;
    });
  }

  /** The person who came back with an answer. @param search the query of the callback */
  async finish({ redirect, state, nonce, verifier }: SignInRequest, search: string): Promise<Person> {
    return await this.#attempt(async (library) => {
      const found = await this.#discover(library);
      const address = new URL(redirect);
      address.search = search;
      const checks = {
        pkceCodeVerifier: verifier,
        expectedState: state,
        expectedNonce: nonce,
        idTokenExpected: true,
      };
      const { config, tokens } = await this.#authenticate(library, found, async (config) => ({
        config,
        tokens: await library.authorizationCodeGrant(config, address, checks),
      }));
      found.keys = library.getJwksCache(config);
      const claims = tokens.claims();
      if (claims === undefined) throw this.#wrong("there is no ID token");
      // All people without one would be the same person.
      if (claims.sub === "") throw this.#wrong('the claim "sub" is empty');
      // OpenID Connect Core §2: at most 255 characters.
      if (claims.sub.length > 255) throw this.#wrong('the claim "sub" is longer than 255 characters');
      const more = this.#isEnough(claims)
        ? {}
        : await this.#userInfo(library, { config, token: tokens.access_token, subject: claims.sub });
      const hint = tokens.id_token ?? "";
      return {
        ...this.#person({ ...more, ...claims }),
        issuer: claims.iss,
        subject: claims.sub,
        hint: hint.length > longestHint ? "" : hint,
      };
    });
  }

  /**
   * Address at which a person signs out at the provider, which leads back to the hub; undefined if it has none, or cannot be
   * asked for it.
   */
  async end({ back, hint }: { readonly back: string; readonly hint: string }): Promise<string | undefined> {
    try {
      const library = await load();
      const { server } = await this.#discover(library);
      if (server.end_session_endpoint === undefined) return undefined;
      const parameters = { post_logout_redirect_uri: back, ...(hint !== "" && { id_token_hint: hint }) };
      return library.buildEndSessionUrl(this.#configure(library, server), parameters).href;
    } catch {
      // The own session has ended, whatever the provider says.
      return undefined;
    }
  }

  get #settings(): DoorSettings {
    return this.#options.settings();
  }

  get #host(): string {
    const { oidcIssuer } = this.#settings;
    return URL.canParse(oidcIssuer) ? new URL(oidcIssuer).host : oidcIssuer;
  }

  /** @throws SignInFailure for everything that goes wrong */
  async #attempt<T>(work: (library: Library) => Promise<T>): Promise<T> {
    if (!this.isSetUp) throw new SignInFailure(failure("not_set_up"));
    if (this.#waiting >= mostAtOnce) throw new SignInFailure(failure("too_many_attempts", { seconds: this.#limit }));
    this.#waiting++;
    try {
      return await work(await load());
    } catch (error) {
      throw this.#failure(error);
    } finally {
      this.#waiting--;
    }
  }

  #failure(error: unknown): SignInFailure {
    if (error instanceof SignInFailure) return error;
    const context = { host: this.#host, tolerance: this.#settings.oidcClockTolerance, limit: this.#limit };
    return new SignInFailure(failureOf(error, context), { cause: error });
  }

  /** Metadata of the provider, asked for once for all who wait. */
  async #discover(library: Library): Promise<Discovered> {
    const { oidcIssuer, oidcClientId, oidcInsecure, oidcCa } = this.#settings;
    const key = JSON.stringify([oidcIssuer, oidcClientId, oidcInsecure, oidcCa]);
    if (key !== this.#key) {
      this.#key = key;
      [this.#found, this.#failed, this.#finding] = [undefined, undefined, undefined];
    }
    const now = this.#ticks();
    if (this.#found !== undefined && now - this.#found.at < metadataMs) return this.#found;
    if (this.#failed !== undefined && now - this.#failed.at < failureMs) throw this.#failed.error;
    const finding =
      this.#finding ??
      this.#ask(library).then(
        (server) => {
          const { method } = this.#found ?? {};
          const found = { server, at: this.#ticks(), ...(method && { method }) };
          if (key === this.#key) [this.#found, this.#failed, this.#finding] = [found, undefined, undefined];
          return found;
        },
        (error: unknown) => {
          const failed = { error, at: this.#ticks() };
          if (key === this.#key) [this.#failed, this.#finding] = [failed, undefined];
          throw error;
        },
      );
    this.#finding = finding;
    return finding;
  }

  async #ask(library: Library): Promise<ServerMetadata> {
    const { oidcIssuer, oidcClientId, oidcInsecure } = this.#settings;
    const given = oidcIssuer.endsWith(wellKnown) ? oidcIssuer.slice(0, -wellKnown.length) : oidcIssuer;
    const discover = async (issuer: string): Promise<ServerMetadata> => {
      const options = {
        timeout: this.#limit,
        [library.customFetch]: this.#fetch,
        ...(oidcInsecure && { execute: [library.allowInsecureRequests] }),
      };
      const config = await library.discovery(new URL(issuer), oidcClientId, undefined, library.None(), options);
      return config.serverMetadata();
    };
    const server = await discover(given).catch((error: unknown) => {
      const found = issuerFound(error);
      if (found === undefined) throw error;
      // Both are at the same address, and only one of them is its name: Authentik's has a slash at the end.
      if (found.replace(/\/$/, "") === given.replace(/\/$/, "")) return discover(found);
      throw this.#wrong(`its issuer is "${found}", and auth.oidc.issuer is "${given}"`);
    });
    if (new URL(server.issuer).href !== new URL(given).href) {
      this.#options.log.info(`auth.oidc.issuer is ${given}; the provider calls itself ${server.issuer}`);
    }
    if (server.issuer.includes("{tenantid}")) {
      throw this.#wrong("it lets in people of every organization: put the id of yours into auth.oidc.issuer");
    }
    return server;
  }

  #wrong(why: string): SignInFailure {
    return new SignInFailure(failure("provider_wrong", { host: this.#host, why }));
  }

  /** A client of the provider. @param method how it proves who it is; without one it cannot ask for tokens */
  #configure(library: Library, server: ServerMetadata, auth: ClientAuth = library.None()): Configuration {
    const { oidcClientId, oidcInsecure, oidcClockTolerance } = this.#settings;
    // The library reads it here only.
    const metadata = { [library.clockTolerance]: oidcClockTolerance };
    const config = new library.Configuration(server, oidcClientId, metadata, auth);
    config.timeout = this.#limit;
    config[library.customFetch] = this.#fetch;
    // Otherwise the signature of an ID token is not checked, as it comes over TLS.
    library.enableNonRepudiationChecks(config);
    if (oidcInsecure) library.allowInsecureRequests(config);
    return config;
  }

  /**
   * Works with a client that proves who it is by its secret: in the way that the provider names, or if it refuses that, in
   * the other one. Providers name all that they know, and accept what the client is registered for.
   */
  async #authenticate<T>(library: Library, found: Discovered, work: (config: Configuration) => Promise<T>): Promise<T> {
    const { server, keys } = found;
    const secret = this.#secret();
    const client = (auth?: ClientAuth): Configuration => {
      const config = this.#configure(library, server, auth);
      if (keys !== undefined) library.setJwksCache(config, keys);
      return config;
    };
    if (secret === "") return await work(client());
    const named = server.token_endpoint_auth_methods_supported;
    // What a provider that names none has (OpenID Connect Discovery §3).
    const first =
      found.method ??
      (Array.isArray(named) && !named.includes("client_secret_basic") ? "ClientSecretPost" : "ClientSecretBasic");
    const other = first === "ClientSecretBasic" ? "ClientSecretPost" : "ClientSecretBasic";
    const attempt = async (method: ClientMethod): Promise<T> => {
      const result = await work(client(library[method](secret)));
      found.method = method;
      return result;
    };
    try {
      return await attempt(first);
    } catch (error) {
      if (found.method !== undefined || !isClientRefusal(error)) throw error;
      return await attempt(other);
    }
  }

  /** True if the ID token says all that is asked for. */
  #isEnough(claims: Readonly<Record<string, unknown>>): boolean {
    const { oidcNameClaim, oidcGroupsClaim, oidcAdminGroups, oidcGroups } = this.#settings;
    const needsGroups = oidcAdminGroups.length + oidcGroups.length > 0;
    const hasGroups = groupsIn(claims, oidcGroupsClaim) !== undefined || isLeftOut(claims, oidcGroupsClaim);
    return typeof claimIn(claims, oidcNameClaim) === "string" && (!needsGroups || hasGroups);
  }

  async #userInfo(
    library: Library,
    { config, token, subject }: { readonly config: Configuration; readonly token: string; readonly subject: string },
  ): Promise<Readonly<Record<string, unknown>>> {
    if (config.serverMetadata().userinfo_endpoint === undefined) return {};
    return await library.fetchUserInfo(config, token, subject).catch((error: unknown) => {
      throw isClientRefusal(error) ? this.#wrong("userinfo refuses its own access token") : error;
    });
  }

  #person(claims: Readonly<Record<string, unknown>>): Pick<Person, "name" | "groups"> {
    const { oidcNameClaim, oidcGroupsClaim } = this.#settings;
    const name = claimIn(claims, oidcNameClaim);
    if (typeof name !== "string" || name === "") {
      throw new SignInFailure(failure("name_missing", { host: this.#host, claim: oidcNameClaim }));
    }
    const groups = groupsIn(claims, oidcGroupsClaim);
    if (groups === undefined && isLeftOut(claims, oidcGroupsClaim)) {
      throw new SignInFailure(failure("groups_left_out", { host: this.#host, claim: oidcGroupsClaim }));
    }
    return { name, groups: groups ?? [] };
  }

  /** The client's secret, read anew; "" for none. */
  #secret(): string {
    const { oidcSecret, oidcSecretFile } = this.#settings;
    if (oidcSecret !== "" || oidcSecretFile === "") return oidcSecret;
    const secret = this.#read(oidcSecretFile, "auth.oidc.client_secret_file").trim();
    if (secret !== "") return secret;
    throw new SignInFailure(failure("settings_wrong", { setting: "auth.oidc.client_secret_file", why: "it is empty" }));
  }

  /** Whom the provider's certificate must be from. */
  #trust(): SecureContext {
    const { oidcCa } = this.#settings;
    const pem = oidcCa === "" ? "" : this.#read(oidcCa, "auth.oidc.ca");
    if (oidcCa !== "" && !pem.includes("-----BEGIN CERTIFICATE-----")) {
      throw new SignInFailure(
        failure("settings_wrong", { setting: "auth.oidc.ca", why: "it contains no certificate" }),
      );
    }
    if (this.#trusted?.pem === pem) return this.#trusted.context;
    // Parsing the system's list takes some 15 ms.
    const ca = pem === "" ? authorities({ ca: "", setting: "", env: this.#options.env ?? process.env }) : [pem];
    this.#trusted = { pem, context: createSecureContext({ ca }) };
    return this.#trusted.context;
  }

  /** The reason is for the log only: the sentence is shown to everyone. */
  #read(path: string, setting: string): string {
    try {
      return readText(path);
    } catch (error) {
      throw new SignInFailure(failure("settings_wrong", { setting, why: "the file cannot be read" }), { cause: error });
    }
  }
}

/** What is asked for. Keycloak, Entra ID and others end a sign-in that asks for "groups" if they do not have it. */
function scopesFor(wanted: string, listed: unknown): string {
  if (wanted !== table.oidcScopes.default || !Array.isArray(listed)) return wanted;
  const known = wanted.split(" ").filter((scope) => scope === "openid" || listed.includes(scope));
  return known.join(" ");
}

/** Loads the library when it is first needed. */
const load = (): Promise<Library> => import("openid-client");
