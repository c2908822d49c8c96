import type { ComponentChildren, JSX } from "preact";
import { adminText, text } from "../language.ts";
import { adminPath, fleetPath, type Params } from "../route.ts";
import { refreshViewer, session, viewer } from "../viewer.ts";
import { Accounts } from "./admin/accounts.tsx";
import { Audit } from "./admin/audit.tsx";
import { HostPanel } from "./admin/host.tsx";
import { Hosts } from "./admin/hosts.tsx";
import { SessionList } from "./admin/sessions.tsx";
import { Tokens } from "./admin/tokens.tsx";

// The views of administration. Each shows what the hub answered, also after a change: nothing is shown before it is done.

type View = "hosts" | "accounts" | "tokens" | "audit";

const views: readonly (readonly [View, string])[] = [
  ["hosts", adminPath],
  ["accounts", `${adminPath}/accounts`],
  ["tokens", `${adminPath}/tokens`],
  ["audit", `${adminPath}/audit`],
];

/** Frame of every view of administration. `inner` is true on a page below the view. */
function Administration({
  view,
  inner = false,
  children,
}: {
  view: View;
  inner?: boolean;
  children: ComponentChildren;
}): JSX.Element {
  const t = adminText();
  const waiting = viewer.value?.waiting ?? 0;
  return (
    <div class="admin">
      <nav class="crumbs">
        <a href={fleetPath}>← {text.value.back}</a>
      </nav>
      <header class="admin-head">
        {inner ? <p class="admin-title">{text.value.administration}</p> : <h1>{text.value.administration}</h1>}
        <nav class="switch" aria-label={text.value.administration}>
          {views.map(([name, path]) => (
            <a href={path} key={name} {...(name === view && { "aria-current": inner ? "true" : "page" })}>
              {t.views[name]}
              {name === "hosts" && waiting > 0 ? (
                <b class="count" title={text.value.waiting(waiting)}>
                  {waiting}
                </b>
              ) : null}
            </a>
          ))}
        </nav>
      </header>
      {children}
    </div>
  );
}

/** Where the viewer is signed in. */
export function AccountPage(): JSX.Element {
  const t = adminText();
  const who = viewer.value;
  return (
    <div class="admin">
      <nav class="crumbs">
        <a href={fleetPath}>← {text.value.back}</a>
      </nav>
      <header class="admin-head">
        <h1>{t.signedInWhere}</h1>
      </header>
      <section class="table" aria-label={t.signedInWhere}>
        {who?.session ? (
          <SessionList
            key={who.name}
            load={(stop) => session("sessions", {}, stop)}
            end={async (id, own) => {
              await session("endSession", { id });
              if (own) await refreshViewer();
            }}
          />
        ) : (
          <p>{who?.way === "proxy" ? t.byProxy : t.forAccounts}</p>
        )}
      </section>
    </div>
  );
}

export function HostsPage(): JSX.Element {
  return (
    <Administration view="hosts">
      <Hosts />
    </Administration>
  );
}

export function HostPanelPage({ name = "" }: Params): JSX.Element {
  return (
    <Administration view="hosts" inner>
      <HostPanel name={name} />
    </Administration>
  );
}

export function AccountsPage(): JSX.Element {
  return (
    <Administration view="accounts">
      <Accounts />
    </Administration>
  );
}

export function TokensPage(): JSX.Element {
  return (
    <Administration view="tokens">
      <Tokens />
    </Administration>
  );
}

export function AuditPage(): JSX.Element {
  return (
    <Administration view="audit">
      <Audit />
    </Administration>
  );
}
