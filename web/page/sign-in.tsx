import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { adminText, type Said, saidIn, text } from "../language.ts";
import { failureText, useAction } from "../part/action.tsx";
import { ProviderLink } from "../part/provider.tsx";
import { session, viewer } from "../viewer.ts";

/** Why a sign-in at the provider failed, as the hub answers it. */
interface Failed extends Said {
  /** In English. */
  readonly text: string;
  /** Page where the person was. */
  readonly to: string;
}

/** The page to which a sign-in at the provider leads if it fails. */
export function SignInFailurePage({ id = "" }: { id?: string }): JSX.Element {
  const t = adminText();
  const failed = useSignal<Failed | undefined>(undefined);
  const reading = useAction();
  const name = useSignal(viewer.peek()?.name);
  useEffect(() => {
    reading.run(async () => {
      failed.value = await session("signInFailure", { id });
      return undefined;
    });
  }, []);
  const now = viewer.value?.name;
  useEffect(() => {
    const before = name.peek();
    name.value = now;
    // Signed in meanwhile, with a password.
    if (before === null && now != null) location.replace(failed.peek()?.to ?? "#/");
  }, [now]);
  const { provider } = viewer.value ?? {};
  const to = failed.value?.to ?? "#/";
  const unread = reading.failure.value;
  return (
    <section class="gate">
      <h1>{text.value.signIn}</h1>
      <div class="form">
        {failed.value === undefined && unread === undefined ? (
          <p>{text.value.loading}</p>
        ) : (
          <p class="wrong" role="alert">
            {unread === undefined ? saidIn("failures", failed.value, failed.value?.text ?? "") : failureText(unread)}
          </p>
        )}
        {provider === undefined ? null : <ProviderLink name={provider} to={to} />}
        <p>
          <a href={to}>{t.back}</a>
        </p>
      </div>
    </section>
  );
}
