import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { adminText, text } from "../../language.ts";
import { ActionButton, failureText, useAction } from "../../part/action.tsx";
import { Choice, Field } from "../../part/form.tsx";
import { administer, type Token } from "./call.ts";
import { Confirm } from "./confirm.tsx";
import { type Loaded, useLoaded } from "./loaded.ts";
import { agoOf, hubNow, momentOf } from "./nodes.ts";
import { Notice, tell } from "./notice.tsx";
import { Once } from "./once.tsx";

type List = Loaded<readonly Token[]>;
type Scope = Token["scope"];

interface Secret {
  readonly token: Token;
  readonly secret: string;
}

const scopes: readonly Scope[] = ["read", "push", "enroll", "admin"];
/** Days until a token expires; 0 for never. */
const lives = [30, 90, 365, 0] as const;

/** Tokens of programs: each for one purpose. */
export function Tokens(): JSX.Element {
  const t = adminText();
  const tokens: List = useLoaded(async (stop) => (await administer("tokens", {}, stop)).tokens);
  const made = useSignal<Secret | undefined>(undefined);
  const all = tokens.value.value;
  const error = tokens.error.value;
  const fresh = made.value;
  return (
    <>
      <Notice place="tokens" />
      {error === "" ? null : <output class="standing">{text.value.partFault(error)}</output>}
      {fresh === undefined ? null : (
        <Once
          title={t.tokenMade(fresh.token.name)}
          about={t.scopeUse[fresh.token.scope]}
          label={t.tokenLabel(fresh.token.name)}
          words={fresh.secret}
          close={() => (made.value = undefined)}
          key={fresh.token.id}
        />
      )}
      <AddToken tokens={tokens} made={(secret) => (made.value = secret)} />
      {all === undefined ? (
        <p class="empty">{text.value.loading}</p>
      ) : all.length === 0 ? (
        <p class="table quiet">{t.noTokens}</p>
      ) : (
        <section class="table" aria-label={t.views.tokens}>
          <ul class="items">
            {all.map((token) => (
              <Item token={token} tokens={tokens} key={token.id} />
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

function AddToken({ tokens, made }: { tokens: List; made: (secret: Secret) => void }): JSX.Element {
  const t = adminText();
  const open = useSignal(false);
  const name = useSignal("");
  const scope = useSignal<Scope>("read");
  const days = useSignal<number>(lives[1]);
  const action = useAction();
  const submit = (event: Event): void => {
    event.preventDefault();
    action.run(async () => {
      const answer = await administer("addToken", {
        body: { name: name.peek().trim(), scope: scope.peek(), days: days.peek() === 0 ? null : days.peek() },
      });
      tokens.put((all) => [...all.filter(({ id }) => id !== answer.token.id), answer.token]);
      made(answer);
      name.value = "";
      return undefined;
    });
  };
  const failure = action.failure.value;
  return (
    <section class="table">
      <button type="button" class="button" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
        {t.addToken}
      </button>
      {open.value ? (
        <form class="form" onSubmit={submit}>
          <Field
            label={t.name}
            autocomplete="off"
            required
            first
            maxLength={64}
            placeholder="grafana"
            value={name.value}
            change={(value) => {
              name.value = value;
              action.reset();
            }}
            error={failure ? failureText(failure) : ""}
          />
          <Choice
            label={t.scope}
            value={scope.value}
            change={(value) => (scope.value = value)}
            options={scopes.map((key) => [key, t.scopes[key], t.scopeHints[key]])}
          />
          <label class="entry">
            {t.expires}
            <select
              class="menu"
              value={String(days.value)}
              onChange={(event) => (days.value = Number(event.currentTarget.value))}
            >
              {lives.map((life) => (
                <option value={String(life)} key={life}>
                  {life === 0 ? t.neverExpires : t.inDays(life)}
                </option>
              ))}
            </select>
          </label>
          <div class="actions">
            <ActionButton action={action} kind="main">
              {t.addToken}
            </ActionButton>
          </div>
        </form>
      ) : null}
    </section>
  );
}

function Item({ token, tokens }: { token: Token; tokens: List }): JSX.Element {
  const t = adminText();
  const asked = useSignal(false);
  const expired = token.expires !== null && token.expires <= hubNow();
  return (
    <li class="item">
      <div>
        <h2>
          {token.name} <span class="chip">{t.scopes[token.scope]}</span>
        </h2>
        <p class="quiet">
          {text.value.list([
            t.madeBy(token.creator, momentOf(token.created)),
            token.used === null ? t.neverUsed : t.usedLast(agoOf(token.used)),
          ])}
        </p>
        <p class={expired ? "word broken" : "quiet"}>
          {token.expires === null
            ? t.neverExpires
            : expired
              ? t.expiredAt(momentOf(token.expires))
              : t.expiresAt(momentOf(token.expires))}
        </p>
      </div>
      <div class="actions">
        <button
          type="button"
          class="button grave"
          aria-label={t.revokeOf(token.name)}
          onClick={() => (asked.value = true)}
        >
          {t.revoke}
        </button>
      </div>
      {asked.value ? (
        <Confirm
          title={t.revokeOf(token.name)}
          verb={t.revoke}
          close={() => (asked.value = false)}
          work={async () => {
            await administer("revokeToken", { name: token.name });
            tokens.put((all) => all.filter(({ id }) => id !== token.id));
            tell({ place: "tokens", words: t.revoked(token.name) });
          }}
        >
          <p>{t.revokeHint}</p>
        </Confirm>
      ) : null}
    </li>
  );
}
