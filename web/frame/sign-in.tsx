import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { adminText, text } from "../language.ts";
import { ActionButton, failureText, useAction } from "../part/action.tsx";
import { Dialog } from "../part/dialog.tsx";
import { Field, NotEncrypted } from "../part/form.tsx";
import { ProviderLink } from "../part/provider.tsx";
import { address } from "../route.ts";
import { refreshViewer, session, viewer } from "../viewer.ts";

/** Name and password. After it the page goes on by itself, as somebody who may see more. */
function SignInForm(): JSX.Element {
  const t = adminText();
  const name = useSignal("");
  const password = useSignal("");
  const action = useAction();
  const submit = (event: Event): void => {
    event.preventDefault();
    action.run(async () => {
      await session("signIn", { body: { name: name.peek(), password: password.peek() } });
      password.value = "";
      await refreshViewer();
      return undefined;
    });
  };
  const failure = action.failure.value;
  const { provider, accounts = true } = viewer.value ?? {};
  return (
    <form class="form" onSubmit={submit}>
      {provider !== undefined ? (
        <>
          <ProviderLink name={provider} to={address.value} />
          <p class="quiet">{t.orPassword}</p>
        </>
      ) : accounts ? null : (
        <p>{t.noAccounts}</p>
      )}
      <NotEncrypted />
      <Field
        label={t.accountName}
        name="username"
        autocomplete="username"
        required
        first={provider === undefined}
        value={name.value}
        change={(value) => {
          name.value = value;
          action.reset();
        }}
      />
      <Field
        label={t.password}
        secret
        name="password"
        autocomplete="current-password"
        required
        value={password.value}
        change={(value) => {
          password.value = value;
          action.reset();
        }}
        error={failure && failureText(failure)}
      />
      <div class="actions">
        <ActionButton action={action} {...(provider === undefined && { kind: "main" })}>
          {text.value.signIn}
        </ActionButton>
        {action.busy.value ? <output class="quiet">{t.busy}</output> : null}
      </div>
    </form>
  );
}

export function SignInDialog({ close }: { close: () => void }): JSX.Element {
  return (
    <Dialog title={text.value.signIn} close={close}>
      <SignInForm />
    </Dialog>
  );
}

/** In the place of a page that the viewer may not open. */
export function SignInPage({ needs }: { needs: "open" | "read" | "admin" }): JSX.Element {
  const t = adminText();
  const name = viewer.value?.name;
  return (
    <section class="gate">
      <h1>{needs === "admin" ? t.forAdministrators : text.value.signIn}</h1>
      {name != null ? (
        <p>{t.lacksRight(name)}</p>
      ) : needs === "read" && viewer.value?.provider === undefined ? (
        <p>{t.forAccounts}</p>
      ) : null}
      <SignInForm />
    </section>
  );
}
