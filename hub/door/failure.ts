import { type Sentence, speaker } from "../sentence.ts";

/** Size limit of a text and of its values, in bytes: a provider chooses some of them. */
const limit = 512;

/** A word of the provider with its explanation, which may be "". */
const withReason = (error: string, description: string): string =>
  description === "" ? error : `${error} (${description})`;

/**
 * Why a person could not sign in at an OpenID Connect provider. The page has each sentence in its languages
 * (`AdminText.signInFailures`). `host` is that of the provider.
 */
const rows = {
  /** `why` is the system's or the connection's own word for it. */
  provider_away: ({ host, why }: { readonly host: string; readonly why: string }) =>
    `The hub cannot reach the sign-in service at ${host}: ${why}.`,
  /** `why` names what is wrong with an answer. */
  provider_wrong: ({ host, why }: { readonly host: string; readonly why: string }) =>
    `The sign-in service at ${host} answered the hub otherwise than expected: ${why}.`,
  /** The provider's own error, as it sends it back with the person. */
  provider_refused: ({
    host,
    error,
    description,
  }: {
    readonly host: string;
    readonly error: string;
    readonly description: string;
  }) => `The sign-in service at ${host} refused: ${withReason(error, description)}.`,
  client_refused: ({ host, error }: { readonly host: string; readonly error: string }) =>
    `The sign-in service at ${host} does not accept this hub: ${error}. An administrator must check auth.oidc.client_id and the client's secret.`,
  code_refused: ({ host, error }: { readonly host: string; readonly error: string }) =>
    `The sign-in service at ${host} does not confirm this sign-in: ${error}. Begin again.`,
  token_signature: ({ host }: { readonly host: string }) =>
    `The sign-in service at ${host} sent an ID token that is not signed by its own keys.`,
  /** `claim` is the one that another value was expected of. */
  token_claim: ({ host, claim }: { readonly host: string; readonly claim: string }) =>
    `The sign-in service at ${host} sent an ID token for another purpose: its claim "${claim}" is not the one that this sign-in expects.`,
  token_time: ({ host, seconds }: { readonly host: string; readonly seconds: number }) =>
    `The ID token of the sign-in service at ${host} has expired or is not valid yet: the clocks of the two machines differ by more than ${seconds} s (auth.oidc.clock_tolerance).`,
  expired: () => "This sign-in took too long, was completed already, or was begun in another browser. Begin again.",
  too_many_attempts: ({ seconds }: { readonly seconds: number }) =>
    `Too many attempts to sign in from this network: try again in ${seconds} s.`,
  name_missing: ({ host, claim }: { readonly host: string; readonly claim: string }) =>
    `The sign-in service at ${host} does not say the user name: neither the ID token nor userinfo has the claim "${claim}". An administrator must add it there, or set auth.oidc.name_claim.`,
  name_bad: ({ name }: { readonly name: string }) =>
    `The user name "${name}" cannot be that of an account: it must have 1 to 64 characters, without line breaks and hidden ones.`,
  /** An account of the name, which is another person's. */
  name_taken: ({ name }: { readonly name: string }) =>
    `There is an account "${name}" already, which does not belong to this person at the sign-in service. An administrator must delete it first; then it is created anew when you sign in.`,
  not_admitted: ({ name }: { readonly name: string }) =>
    `"${name}" is in none of the groups whose members may sign in (auth.oidc.groups).`,
  groups_left_out: ({ host, claim }: { readonly host: string; readonly claim: string }) =>
    `The sign-in service at ${host} leaves out the groups of this person ("${claim}"), because there are too many: it must be set up to name only those of this hub.`,
  /** `setting` cannot be used. */
  settings_wrong: ({ setting, why }: { readonly setting: string; readonly why: string }) =>
    `The hub cannot use its setting ${setting}: ${why}.`,
  not_set_up: () => "Signing in elsewhere is not set up at this hub.",
  book_unusable: () => "The hub cannot write its administration data. Nobody was signed in.",
  internal: () => "An error in the hub itself; its log has the details.",
} as const;

export type SignInFailureRows = typeof rows;

/** Makes the sentence of a failure. */
export const failure = speaker(rows, { limit });

/** A sign-in that failed, with what to say to the person. */
export class SignInFailure extends Error {
  readonly sentence: Sentence;

  constructor(sentence: Sentence, options?: ErrorOptions) {
    super(sentence.text, options);
    this.sentence = sentence;
  }
}
