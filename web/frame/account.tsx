import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { adminText, text } from "../language.ts";
import { ActionButton, failureText, Outcome, useAction } from "../part/action.tsx";
import { Dialog } from "../part/dialog.tsx";
import { AccountName, Field, NewPasswordFields, NotEncrypted, useNewPassword } from "../part/form.tsx";
import { accountPath, adminPath } from "../route.ts";
import { refreshViewer, session, viewer } from "../viewer.ts";

/** Menu of the account that is signed in. */
export function AccountPanel({ close }: { close: () => void }): JSX.Element {
  const t = adminText();
  const changing = useSignal(false);
  const ref = useRef<HTMLDivElement>(null);
  const action = useAction();
  const who = viewer.value;
  useEffect(() => ref.current?.querySelector<HTMLElement>("a, button")?.focus(), []);
  const leave = (call: "signOut" | "signOutEverywhere"): void => {
    action.run(async () => {
      const { next } = await session(call, {});
      // The person signed in at a provider, which knows them still.
      if (next !== undefined) location.assign(next);
      else await refreshViewer();
      return undefined;
    });
  };
  return (
    <div class="popover" ref={ref}>
      <p class="quiet">{t.signedInAs(who?.name ?? "", who?.rights.includes("admin") === true)}</p>
      <ul>
        {who?.rights.includes("admin") ? (
          <li>
            <a href={adminPath} onClick={close}>
              {text.value.administration}
            </a>
          </li>
        ) : null}
        {who?.session ? (
          <>
            <li>
              <a href={accountPath} onClick={close}>
                {t.signedInWhere}
              </a>
            </li>
            {who.external ? null : (
              <li>
                <button type="button" onClick={() => (changing.value = true)}>
                  {t.changePassword}
                </button>
              </li>
            )}
            <li>
              <button type="button" onClick={() => leave("signOut")}>
                {t.signOut}
              </button>
            </li>
            <li>
              <button type="button" onClick={() => leave("signOutEverywhere")}>
                {t.signOutEverywhere}
              </button>
            </li>
          </>
        ) : null}
      </ul>
      {who?.way === "proxy" ? <p class="quiet">{t.byProxy}</p> : null}
      <Outcome of={action} />
      {changing.value ? <PasswordDialog close={() => (changing.value = false)} /> : null}
    </div>
  );
}

function PasswordDialog({ close }: { close: () => void }): JSX.Element {
  const t = adminText();
  const before = useSignal("");
  const next = useNewPassword();
  const action = useAction();
  const submit = (event: Event): void => {
    event.preventDefault();
    if (!next.agrees()) return;
    action.run(async () => {
      await session("changePassword", { body: { old: before.peek(), new: next.value.peek() } });
      before.value = "";
      next.clear();
      return t.passwordChanged;
    });
  };
  const failure = action.failure.value;
  const wrong = failure?.code === "sign_in_refused";
  return (
    <Dialog title={t.changePassword} close={close}>
      <form class="form" onSubmit={submit}>
        <NotEncrypted />
        <AccountName name={viewer.value?.name ?? ""} />
        <Field
          label={t.oldPassword}
          secret
          autocomplete="current-password"
          required
          first
          value={before.value}
          change={(value) => {
            before.value = value;
            action.reset();
          }}
          error={wrong ? t.wrongPassword : ""}
        />
        <NewPasswordFields
          of={next}
          error={failure && !wrong ? failureText(failure) : undefined}
          typed={action.reset}
        />
        <div class="actions">
          <ActionButton action={action} kind="main">
            {t.changePassword}
          </ActionButton>
          <output class="done">{action.done.value}</output>
        </div>
      </form>
    </Dialog>
  );
}
