import type { JSX } from "preact";
import { adminText } from "../language.ts";

interface ProviderLinkProps {
  /** Name of the provider. */
  readonly name: string;
  /** Page to return to, from # on. */
  readonly to: string;
}

/** Leads to the OpenID Connect provider of the hub, and from there back to a page. */
export function ProviderLink({ name, to }: ProviderLinkProps): JSX.Element {
  return (
    <div class="actions">
      <a class="button main" href={`api/v1/session/oidc?to=${encodeURIComponent(to)}`}>
        {adminText().signInAt(name)}
      </a>
    </div>
  );
}
