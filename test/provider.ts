// An OpenID Connect provider on loopback, a hub's client of it, and people who sign in there.
import { afterEach, beforeEach } from "vitest";
import { SignInFailure } from "../hub/door/failure.ts";
import { type Person, Provider, type SignInRequest } from "../hub/door/provider.ts";
import type { DoorSettings } from "../hub/door/settings.ts";
import { defaultDoor } from "./door.ts";
import { client, Issuer, type IssuerOptions } from "./issuer.ts";

export const redirect = "http://hub.lab:5000/api/v1/session/oidc/callback";
export const request: SignInRequest = { redirect, state: "the-state", nonce: "the-nonce", verifier: "v".repeat(43) };

/** Anew for each test of the file in which it is made. */
export class ProviderScene {
  settings: DoorSettings = defaultDoor;
  /** Milliseconds of the monotonic clock. */
  ticks = 0;
  #issuer: Issuer | undefined;
  #provider: Provider | undefined;

  constructor() {
    beforeEach(async () => {
      this.#issuer = await Issuer.start();
      this.ticks = 0;
      this.settings = {
        ...defaultDoor,
        oidcIssuer: this.issuer.url,
        oidcClientId: client.id,
        oidcSecret: client.secret,
        oidcInsecure: true,
        oidcAdminGroups: ["admins"],
      };
      this.#provider = new Provider({ settings: () => this.settings, log: { info() {} }, ticks: () => this.ticks });
    });
    afterEach(() => this.#issuer?.close());
  }

  get issuer(): Issuer {
    if (this.#issuer === undefined) throw new Error("the provider was not started");
    return this.#issuer;
  }

  get provider(): Provider {
    if (this.#provider === undefined) throw new Error("the provider was not started");
    return this.#provider;
  }

  set(more: Partial<DoorSettings>): void {
    this.settings = { ...this.settings, ...more };
  }

  /** Replaces the provider by another one. */
  async use(options: IssuerOptions): Promise<void> {
    await this.issuer.close();
    this.#issuer = await Issuer.start(options);
    this.set({ oidcIssuer: this.issuer.url });
  }

  /** Signs a person in, as a browser between hub and provider does. */
  async signIn(more: Partial<SignInRequest> = {}): Promise<Person> {
    const back = await this.issuer.visit(await this.provider.begin(request));
    return await this.provider.finish({ ...request, ...more }, back.search);
  }

  /** The sentence of a sign-in that fails. */
  async refusal(work: Promise<unknown> = this.signIn()): Promise<{ code: string; text: string }> {
    const error: unknown = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof SignInFailure)) throw new Error(`the sign-in did not fail: ${String(error)}`);
    return error.sentence;
  }
}
