// A small OpenID Connect provider on loopback, with every fault that a test gives it.
import { createHash, createHmac, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { once } from "node:events";
import { createServer, get, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createSecureServer, get as getSecure } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

type Json = Readonly<Record<string, unknown>>;

/** What the provider does otherwise than it should. */
export interface IssuerFaults {
  /** Changes its metadata. */
  readonly metadata?: (metadata: Json) => Json;
  /** Changes the claims of an ID token. */
  readonly claims?: (claims: Json) => Json;
  /** Signs ID tokens with another key, with the client's secret, not at all, or with its own key and a changed payload. */
  readonly signature?: "foreign" | "HS256" | "none" | "changed";
  /** Error to which a person is led back, in place of a code. */
  readonly refusal?: Readonly<Record<string, string>>;
  /** Answers of its own, by path. */
  readonly answers?: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>>;
  /** Gives a code out again and again. */
  readonly replays?: true;
  /** Changes what userinfo answers. */
  readonly userinfo?: (claims: Json) => Json;
}

export interface IssuerOptions {
  /** Certificate and key: it is at https then. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Path of the issuer, such as "/realms/lab" or, as Authentik has it, "/application/o/gohm/". */
  readonly path?: string;
  /** How the client must prove who it is; both by default. */
  readonly method?: "client_secret_basic" | "client_secret_post";
  /** "" for a public client. */
  readonly secret?: string;
  readonly port?: number;
}

interface Grant {
  readonly redirect: string;
  readonly challenge: string;
  readonly nonce: string;
}

const keys = (): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } =>
  generateKeyPairSync("ec", { namedCurve: "P-256" });
const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

export const client = { id: "gohm", secret: "a secret: of/the+client %" };

export class Issuer {
  /** Who signs in: their claims. */
  person: Json = { sub: "1001", preferred_username: "alice", groups: ["students"] };
  /** Claims that are at userinfo only. */
  onlyUserinfo: readonly string[] = [];
  faults: IssuerFaults = {};
  /** True if a person must press a button, as in a browser. */
  asks = false;
  /** Paths that were asked for. */
  readonly asked: string[] = [];
  /** Queries with which people came to sign in, and to sign out. */
  readonly arrivals: URLSearchParams[] = [];
  readonly departures: URLSearchParams[] = [];
  readonly url: string;
  #keys = keys();
  #kid = "one";
  readonly #foreign = keys();
  readonly #codes = new Map<string, Grant>();
  readonly #tokens = new Set<string>();
  readonly #options: IssuerOptions;
  readonly #close: () => Promise<void>;

  private constructor(url: string, options: IssuerOptions, close: () => Promise<void>) {
    this.url = url;
    this.#options = options;
    this.#close = close;
  }

  static async start(options: IssuerOptions = {}): Promise<Issuer> {
    const { tls, path = "", port = 0 } = options;
    let issuer: Issuer | undefined;
    const listener: RequestListener = (request, response) => {
      issuer?.answer(request, response).catch((error: unknown) => response.destroy(error as Error));
    };
    const server = tls === undefined ? createServer(listener) : createSecureServer(tls, listener);
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    const url = `http${tls === undefined ? "" : "s"}://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
    issuer = new Issuer(url, options, async () => {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    });
    return issuer;
  }

  close(): Promise<void> {
    return this.#close();
  }

  /** Signs with another key from now on, which it publishes. */
  rotate(): void {
    this.#keys = keys();
    this.#kid = "two";
  }

  /** Does what a browser does at the address where a person signs in. @returns the address to which it is led back */
  async visit(address: string): Promise<URL> {
    // A browser that trusts this provider.
    const ask = address.startsWith("https:") ? getSecure : get;
    const request = ask(address, { agent: false, rejectUnauthorized: false });
    const [answer] = (await once(request, "response")) as [IncomingMessage];
    answer.resume();
    const { location } = answer.headers;
    if (location === undefined) throw new Error(`the provider answered ${answer.statusCode}`);
    return new URL(location);
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", this.url);
    const base = new URL(this.url).pathname.replace(/\/$/, "");
    const path = pathname.startsWith(base) ? pathname.slice(base.length) : pathname;
    this.asked.push(path);
    const own = this.faults.answers?.[path];
    if (own !== undefined) return own(request, response);
    switch (path) {
      case "/.well-known/openid-configuration":
        return json(response, 200, this.#metadata());
      case "/authorize":
        return this.#authorize(searchParams, response);
      case "/token":
        return this.#token(request, response);
      case "/keys":
        return json(response, 200, { keys: [this.#publicKey()] });
      case "/userinfo":
        return this.#userinfo(request, response);
      case "/logout":
        this.departures.push(searchParams);
        return redirect(response, searchParams.get("post_logout_redirect_uri") ?? "/");
      default:
        return json(response, 404, { error: "not_found" });
    }
  }

  #metadata(): Json {
    const at = (path: string): string => `${this.url.replace(/\/$/, "")}${path}`;
    const metadata = {
      issuer: this.url,
      authorization_endpoint: at("/authorize"),
      token_endpoint: at("/token"),
      jwks_uri: at("/keys"),
      userinfo_endpoint: at("/userinfo"),
      end_session_endpoint: at("/logout"),
      response_types_supported: ["code"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["ES256"],
      token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
      code_challenge_methods_supported: ["S256"],
    };
    return this.faults.metadata?.(metadata) ?? metadata;
  }

  #publicKey(): Json {
    return { ...this.#keys.publicKey.export({ format: "jwk" }), kid: this.#kid, use: "sig", alg: "ES256" };
  }

  #authorize(query: URLSearchParams, response: ServerResponse): void {
    if (this.asks && !query.has("pressed")) {
      query.set("pressed", "");
      const address = `${this.url.replace(/\/$/, "")}/authorize?${query}`.replaceAll("&", "&amp;");
      response.writeHead(200, { "Content-Type": "text/html" });
      response.end(
        `<!doctype html><link rel="icon" href="data:,"><title>Provider</title><a href="${address}">Sign in as ${this.person.preferred_username}</a>`,
      );
      return;
    }
    this.arrivals.push(query);
    const back = new URL(query.get("redirect_uri") ?? "");
    back.searchParams.set("state", query.get("state") ?? "");
    const { refusal } = this.faults;
    if (refusal === undefined) {
      const code = randomBytes(16).toString("base64url");
      this.#codes.set(code, {
        redirect: query.get("redirect_uri") ?? "",
        challenge: query.get("code_challenge") ?? "",
        nonce: query.get("nonce") ?? "",
      });
      back.searchParams.set("code", code);
    }
    for (const [name, value] of Object.entries(refusal ?? {})) back.searchParams.set(name, value);
    redirect(response, back.href);
  }

  async #token(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = new URLSearchParams(await text(request));
    if (!this.#isClient(request, body)) {
      response.setHeader("WWW-Authenticate", "Basic");
      return json(response, 401, { error: "invalid_client" });
    }
    const code = body.get("code") ?? "";
    const grant = this.#codes.get(code);
    if (!this.faults.replays) this.#codes.delete(code);
    const challenge = createHash("sha256")
      .update(body.get("code_verifier") ?? "")
      .digest("base64url");
    if (grant === undefined || grant.challenge !== challenge || grant.redirect !== body.get("redirect_uri")) {
      return json(response, 400, { error: "invalid_grant", error_description: "this code is not valid" });
    }
    const token = randomBytes(16).toString("base64url");
    this.#tokens.add(token);
    const answer = { access_token: token, token_type: "Bearer", expires_in: 300, id_token: this.#idToken(grant) };
    json(response, 200, answer);
  }

  #isClient(request: IncomingMessage, body: URLSearchParams): boolean {
    const { secret = client.secret, method } = this.#options;
    if (secret === "") return body.get("client_id") === client.id;
    const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    if (basic === undefined) {
      return (
        method !== "client_secret_basic" && body.get("client_id") === client.id && body.get("client_secret") === secret
      );
    }
    const decoded = (word: string): string => decodeURIComponent(word.replaceAll("+", " "));
    const [id, given] = Buffer.from(basic, "base64").toString().split(":").map(decoded);
    return method !== "client_secret_post" && id === client.id && given === secret;
  }

  #idToken({ nonce }: Grant): string {
    const now = Math.floor(Date.now() / 1000);
    const person = Object.fromEntries(
      Object.entries(this.person).filter(([name]) => !this.onlyUserinfo.includes(name)),
    );
    const claims = { iss: this.url, aud: client.id, iat: now, exp: now + 300, nonce, ...person };
    const { signature, claims: change } = this.faults;
    const alg = signature === "HS256" || signature === "none" ? signature : "ES256";
    const content = `${encoded({ alg, kid: this.#kid, typ: "JWT" })}.${encoded(change?.(claims) ?? claims)}`;
    if (signature === "none") return `${content}.`;
    if (signature === "HS256") {
      return `${content}.${createHmac("sha256", client.secret).update(content).digest("base64url")}`;
    }
    const { privateKey: key } = signature === "foreign" ? this.#foreign : this.#keys;
    const made = sign("sha256", Buffer.from(content), { key, dsaEncoding: "ieee-p1363" }).toString("base64url");
    if (signature !== "changed") return `${content}.${made}`;
    return `${content.split(".")[0]}.${encoded({ ...claims, preferred_username: "root", sub: "0" })}.${made}`;
  }

  #userinfo(request: IncomingMessage, response: ServerResponse): void {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    if (!this.#tokens.has(token)) {
      response.setHeader("WWW-Authenticate", "Bearer");
      json(response, 401, {});
    } else json(response, 200, this.faults.userinfo?.(this.person) ?? this.person);
  }
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(body));
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(302, { Location: location });
  response.end();
}
