import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { adminText, text } from "../language.ts";
import { ActionButton, failureText, useAction } from "../part/action.tsx";
import { AccountName, NewPasswordFields, NotEncrypted, useNewPassword } from "../part/form.tsx";
import { adminPath, fleetPath, linkToken } from "../route.ts";
import { refreshViewer, session } from "../viewer.ts";

/** The page behind a one-time link: a person chooses a password, and is signed in. */
export function LinkPage(): JSX.Element {
  const t = adminText();
  const token = linkToken.value;
  return (
    <section class="gate">
      <h1>{t.choosePassword}</h1>
      {token === "" ? <p>{t.linkGone}</p> : <Followed token={token} key={token} />}
    </section>
  );
}

interface LinkAccount {
  readonly name: string;
  readonly role: "administrator" | "viewer";
}

function Followed({ token }: { token: string }): JSX.Element {
  const t = adminText();
  const account = useSignal<LinkAccount | undefined>(undefined);
  const reading = useAction();
  const read = (): void => {
    reading.run(async () => {
      account.value = await session("readLink", { body: { token } });
      return undefined;
    });
  };
  useEffect(read, []);
  const failure = reading.failure.value;
  if (account.value !== undefined) return <PasswordForm token={token} account={account.value} />;
  if (failure === undefined) return <p>{text.value.loading}</p>;
  return (
    <>
      <p class="wrong" role="alert">
        {failureText(failure)}
      </p>
      <div class="actions">
        {failure.code === "link_unknown" ? (
          <p>{t.linkNew}</p>
        ) : (
          <ActionButton action={reading} click={read}>
            {t.tryAgain}
          </ActionButton>
        )}
      </div>
    </>
  );
}

function PasswordForm({ token, account }: { token: string; account: LinkAccount }): JSX.Element {
  const t = adminText();
  const next = useNewPassword();
  const action = useAction();
  const submit = (event: Event): void => {
    event.preventDefault();
    if (!next.agrees()) return;
    action.run(async () => {
      await session("followLink", { body: { token, password: next.value.peek() } });
      next.clear();
      await refreshViewer();
      // Replaces this page: its link is used up.
      location.replace(account.role === "administrator" ? adminPath : fleetPath);
      return undefined;
    });
  };
  const failure = action.failure.value;
  return (
    <form class="form" onSubmit={submit}>
      <p>{t.linkFor(account.name, account.role === "administrator")}</p>
      <NotEncrypted />
      <AccountName name={account.name} />
      <NewPasswordFields of={next} error={failure && failureText(failure)} typed={action.reset} first />
      <div class="actions">
        <ActionButton action={action} kind="main">
          {t.setPassword}
        </ActionButton>
        {action.busy.value ? <output class="quiet">{t.busy}</output> : null}
      </div>
    </form>
  );
}
