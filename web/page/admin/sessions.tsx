import type { JSX } from "preact";
import { adminText, text } from "../../language.ts";
import { ActionButton, Outcome, useAction } from "../../part/action.tsx";
import { browserOf } from "./browser.ts";
import type { Sessions } from "./call.ts";
import { useLoaded } from "./loaded.ts";
import { agoOf, momentOf } from "./nodes.ts";

interface SessionsProps {
  readonly load: (stop: AbortSignal) => Promise<Sessions>;
  /** @param own true if it is the session of this page */
  readonly end: (id: string, own: boolean) => Promise<void>;
}

/** The browsers in which an account is signed in, each of which can be signed out. */
export function SessionList({ load, end }: SessionsProps): JSX.Element {
  const t = adminText();
  const sessions = useLoaded(async (stop) => (await load(stop)).sessions);
  const action = useAction();
  const all = sessions.value.value;
  const error = sessions.error.value;
  if (all === undefined) return <p class="empty">{error === "" ? text.value.loading : text.value.partFault(error)}</p>;
  return (
    <>
      {all.length === 0 ? <p class="quiet">{t.noSessions}</p> : null}
      <ul class="items">
        {all.map(({ id, agent, current, origin, created, used, way }) => {
          const browser = browserOf(agent) || t.unknownBrowser;
          const signOut = (): void => {
            action.run(async () => {
              await end(id, current);
              sessions.put((before) => before.filter((one) => one.id !== id));
              return t.sessionEnded(browser);
            });
          };
          return (
            <li class="item" key={id}>
              <div>
                <h2>
                  <span title={agent}>{browser}</span> {current ? <span class="chip">{t.thisBrowser}</span> : null}
                </h2>
                <p class="quiet">
                  {t.clauses([t.signedInFrom(origin, momentOf(created)), t.signInWays[way], t.usedLast(agoOf(used))])}
                </p>
              </div>
              <div class="actions">
                <ActionButton action={action} click={signOut} label={t.endSessionOf(browser, origin)}>
                  {t.signOut}
                </ActionButton>
              </div>
            </li>
          );
        })}
      </ul>
      <Outcome of={action} />
    </>
  );
}
