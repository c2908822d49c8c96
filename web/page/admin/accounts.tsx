import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { adminText } from "../../language.ts";
import { ActionButton, failureText, Outcome, useAction } from "../../part/action.tsx";
import { Dialog } from "../../part/dialog.tsx";
import { AccountName, Choice, NewPasswordFields, NotEncrypted, useNewPassword } from "../../part/form.tsx";
import { refreshViewer, viewer } from "../../viewer.ts";
import { hubAddress } from "./address.ts";
import { type Account, administer } from "./call.ts";
import { AddForm, Fold, List, NameField, Remove } from "./list.tsx";
import { type Loaded, useLoaded } from "./loaded.ts";
import { momentOf } from "./nodes.ts";
import { tell } from "./notice.tsx";
import { Once } from "./once.tsx";
import { SessionList } from "./sessions.tsx";

type Role = Account["role"];

/** A one-time link as the hub answered it. */
interface Link {
  readonly name: string;
  /** Relative to the hub. */
  readonly path: string;
  readonly expires: number;
}

interface AccountsProps {
  readonly accounts: Loaded<readonly Account[]>;
  readonly link: (made: Link) => void;
}

/** Who may sign in. */
export function Accounts(): JSX.Element {
  const t = adminText();
  const accounts = useLoaded(async (stop) => (await administer("accounts", {}, stop)).accounts);
  const link = useSignal<Link | undefined>(undefined);
  const made = link.value;
  const show = (next: Link): void => {
    link.value = next;
  };
  return (
    <List
      view="accounts"
      of={accounts}
      item={(account) => <Item account={account} accounts={accounts} link={show} key={account.name} />}
    >
      {made === undefined ? null : (
        <Once
          title={t.linkOf(made.name)}
          about={t.linkAbout(made.name, momentOf(made.expires))}
          label={t.linkLabel}
          words={`${hubAddress()}/${made.path}`}
          close={() => (link.value = undefined)}
          key={made.path}
        />
      )}
      <AddAccount accounts={accounts} link={show} />
    </List>
  );
}

function AddAccount({ accounts, link }: AccountsProps): JSX.Element {
  const t = adminText();
  const name = useSignal("");
  const role = useSignal<Role>("viewer");
  const way = useSignal<"link" | "password">("link");
  const next = useNewPassword();
  const action = useAction();
  const submit = (): void => {
    const own = way.peek() === "password";
    if (own && !next.agrees()) return;
    action.run(async () => {
      const answer = await administer("addAccount", {
        body: { name: name.peek().trim(), role: role.peek(), ...(own && { password: next.value.peek() }) },
      });
      accounts.put((all) => [...all.filter((one) => one.name !== answer.account.name), answer.account].sort(byName));
      if (answer.link !== null) link({ ...answer.link, name: answer.account.name });
      name.value = "";
      next.clear();
      return t.accountAdded(answer.account.name);
    });
  };
  const failure = action.failure.value;
  const weak = failure?.code === "password_weak";
  return (
    <Fold title={t.addAccount}>
      <AddForm action={action} verb={t.add} submit={submit}>
        <NameField name={name} action={action} error={failure && !weak ? failureText(failure) : ""} />
        <Choice
          label={t.role}
          value={role.value}
          change={(value) => (role.value = value)}
          options={(["viewer", "administrator"] as const).map((key) => [key, t.roles[key], t.roleHints[key]])}
        />
        <Choice
          label={t.password}
          value={way.value}
          change={(value) => (way.value = value)}
          options={[
            ["link", t.byLink, t.byLinkHint],
            ["password", t.byPassword],
          ]}
        />
        {way.value === "password" ? (
          <>
            <NotEncrypted />
            <NewPasswordFields of={next} error={weak ? failureText(failure) : undefined} typed={action.reset} />
          </>
        ) : null}
      </AddForm>
    </Fold>
  );
}

/** Where a person signs in, as people know it. */
const hostOf = (issuer: string): string => {
  try {
    return new URL(issuer).host;
  } catch {
    // A book that was edited by hand.
    return issuer;
  }
};

const byName = (a: Account, b: Account): number => a.name.localeCompare(b.name);

function Item({ account, accounts, link }: AccountsProps & { account: Account }): JSX.Element {
  const t = adminText();
  const asked = useSignal(false);
  const listed = useSignal(false);
  const role = useAction();
  const linking = useAction();
  const put = (changed: Account): void =>
    accounts.put((all) => all.map((one) => (one.name === changed.name ? changed : one)));
  const change = (next: string): void => {
    role.run(async () => {
      const answer = await administer("changeAccount", {
        name: account.name,
        body: { role: next === "administrator" ? "administrator" : "viewer" },
      });
      put(answer);
      return t.roleNow(t.roles[answer.role]);
    });
  };
  const makeLink = (): void => {
    linking.run(async () => {
      link(await administer("addLink", { body: { name: account.name } }));
      return undefined;
    });
  };
  const used = account.used === null ? t.never : momentOf(account.used);
  return (
    <li class="item">
      <div>
        <h2>
          {account.name} {account.name === viewer.value?.name ? <span class="quiet">{t.you}</span> : null}
        </h2>
        <p class="quiet">
          {t.clauses([
            ...(account.external === null ? [] : [t.externalOf(hostOf(account.external))]),
            ...(account.hasPassword || account.external !== null ? [t.lastSignIn(used)] : [t.noPassword]),
            ...(account.sessions > 0 ? [t.sessions(account.sessions)] : []),
          ])}
        </p>
      </div>
      <div class="actions">
        {account.external === null ? (
          <>
            <select
              class="menu"
              aria-label={t.roleOf(account.name)}
              aria-disabled={role.busy.value}
              value={account.role}
              onChange={(event) => change(event.currentTarget.value)}
            >
              {(["viewer", "administrator"] as const).map((key) => (
                <option value={key} key={key}>
                  {t.roles[key]}
                </option>
              ))}
            </select>
            <button
              type="button"
              class="button"
              aria-label={t.passwordOf(account.name)}
              onClick={() => (asked.value = true)}
            >
              {t.setPassword}
            </button>
          </>
        ) : (
          <span>{t.roles[account.role]}</span>
        )}
        {account.sessions === 0 ? null : (
          <button
            type="button"
            class="button"
            aria-label={t.browsersOf(account.name)}
            onClick={() => (listed.value = true)}
          >
            {t.browsers}
          </button>
        )}
        {account.external === null ? (
          <ActionButton action={linking} click={makeLink} label={t.makeLinkFor(account.name)}>
            {t.makeLink}
          </ActionButton>
        ) : null}
        <Remove
          label={t.deleteOf(account.name)}
          title={t.deleteAccount(account.name)}
          verb={t.remove}
          hint={t.deleteAccountHint}
          work={async () => {
            await administer("deleteAccount", { name: account.name });
            accounts.put((all) => all.filter((one) => one.name !== account.name));
            tell({ place: "accounts", words: t.accountDeleted(account.name) });
          }}
        />
      </div>
      <Outcome of={role} />
      <Outcome of={linking} />
      {listed.value ? <SessionsDialog account={account} put={put} close={() => (listed.value = false)} /> : null}
      {asked.value ? <PasswordDialog account={account} put={put} close={() => (asked.value = false)} /> : null}
    </li>
  );
}

interface AccountDialogProps {
  readonly account: Account;
  readonly put: (changed: Account) => void;
  readonly close: () => void;
}

function SessionsDialog({ account, put, close }: AccountDialogProps): JSX.Element {
  const { name } = account;
  return (
    <Dialog title={adminText().browsersOf(name)} close={close}>
      <SessionList
        load={(stop) => administer("accountSessions", { name }, stop)}
        end={async (id, own) => {
          await administer("endAccountSession", { name, id });
          put({ ...account, sessions: account.sessions - 1 });
          if (own) await refreshViewer();
        }}
      />
    </Dialog>
  );
}

function PasswordDialog({ account, put, close }: AccountDialogProps): JSX.Element {
  const t = adminText();
  const next = useNewPassword();
  const action = useAction();
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!next.agrees()) return;
    const done = await action.run(async () => {
      put(await administer("changeAccount", { name: account.name, body: { password: next.value.peek() } }));
      return undefined;
    });
    if (done) close();
  };
  const failure = action.failure.value;
  return (
    <Dialog title={t.passwordOf(account.name)} close={close}>
      <form class="form" onSubmit={submit}>
        <p>{t.passwordEnds}</p>
        <NotEncrypted />
        <AccountName name={account.name} />
        <NewPasswordFields of={next} error={failure && failureText(failure)} typed={action.reset} first />
        <div class="actions">
          <ActionButton action={action} kind="main">
            {t.setPassword}
          </ActionButton>
        </div>
      </form>
    </Dialog>
  );
}
