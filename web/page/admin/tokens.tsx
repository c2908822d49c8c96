import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { adminText } from "../../language.ts";
import { failureText, useAction } from "../../part/action.tsx";
import { Choice } from "../../part/form.tsx";
import { actorText } from "./actor.ts";
import { administer, type Token } from "./call.ts";
import { AddForm, Fold, List, NameField, Remove } from "./list.tsx";
import { type Loaded, useLoaded } from "./loaded.ts";
import { agoOf, hubNow, momentOf } from "./nodes.ts";
import { tell } from "./notice.tsx";
import { Once } from "./once.tsx";

type TokenList = Loaded<readonly Token[]>;
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
  const tokens = useLoaded(async (stop) => (await administer("tokens", {}, stop)).tokens);
  const made = useSignal<Secret | undefined>(undefined);
  const fresh = made.value;
  return (
    <List
      view="tokens"
      of={tokens}
      none={t.noTokens}
      item={(token) => <Item token={token} tokens={tokens} key={token.id} />}
    >
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
    </List>
  );
}

function AddToken({ tokens, made }: { tokens: TokenList; made: (secret: Secret) => void }): JSX.Element {
  const t = adminText();
  const name = useSignal("");
  const scope = useSignal<Scope>("read");
  const days = useSignal<number>(lives[1]);
  const action = useAction();
  const submit = (): void => {
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
    <Fold title={t.addToken}>
      <AddForm action={action} verb={t.addToken} submit={submit}>
        <NameField name={name} action={action} placeholder="grafana" error={failure ? failureText(failure) : ""} />
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
      </AddForm>
    </Fold>
  );
}

function Item({ token, tokens }: { token: Token; tokens: TokenList }): JSX.Element {
  const t = adminText();
  const expired = token.expires !== null && token.expires <= hubNow();
  return (
    <li class="item">
      <div>
        <h2>
          {token.name} <span class="chip">{t.scopes[token.scope]}</span>
        </h2>
        <p class="quiet">
          {t.clauses([
            t.madeBy(actorText(token.creator), momentOf(token.created)),
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
        <Remove
          label={t.revokeOf(token.name)}
          title={t.revokeOf(token.name)}
          verb={t.revoke}
          hint={t.revokeHint}
          work={async () => {
            await administer("revokeToken", { name: token.name });
            tokens.put((all) => all.filter(({ id }) => id !== token.id));
            tell({ place: "tokens", words: t.revoked(token.name) });
          }}
        />
      </div>
    </li>
  );
}
