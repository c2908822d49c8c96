import type { AuditPage } from "../book/book.ts";
import type { Refusal } from "../refusal.ts";
import { adminRoutes } from "../route/admin.ts";
import { type RouteRequest, serve } from "../route/handler.ts";
import type { JsonAnswer } from "../route/route.ts";
import { accounts, addAccount, addLink, changeAccount, deleteAccount } from "./admin/account.ts";
import { addServer, approveNode, changeNode, configureNode, deleteNode, resetNode } from "./admin/change.ts";
import { nodesOf } from "./admin/host.ts";
import { accountSessions, endAccountSession, endAccountSessions } from "./admin/session.ts";
import { addToken, revokeToken, tokens } from "./admin/token.ts";
import type { HubView, View } from "./view.ts";

/** Administration: hosts, accounts, tokens and the audit log. Every change goes through the desk. */
export const admin: View = {
  name: "admin",
  table: {},
  async open(hub) {
    return {
      routes: serve(adminRoutes, {
        nodes: ({ c }) => c.json({ nodes: nodesOf(hub) }),
        refusals: ({ c }) => c.json({ refusals: hub.refusals.list().map(plain) }),
        changeNode: async (request) => request.c.json(await changeNode(hub, request)),
        configureNode: (request) => request.c.json(configureNode(hub, request)),
        approveNode: (request) => request.c.json(approveNode(hub, request)),
        resetNode: (request) => request.c.json(resetNode(hub, request)),
        deleteNode: async (request) => request.c.json(await deleteNode(hub, request)),
        addServer: (request) => request.c.json(addServer(hub, request)),
        accounts: ({ c }) => c.json(accounts(hub)),
        addAccount: async (request) => request.c.json(await addAccount(hub, request)),
        changeAccount: async (request) => request.c.json(await changeAccount(hub, request)),
        deleteAccount: (request) => request.c.json(deleteAccount(hub, request)),
        accountSessions: (request) => request.c.json(accountSessions(hub, request)),
        endAccountSession: (request) => request.c.json(endAccountSession(hub, request)),
        endAccountSessions: (request) => request.c.json(endAccountSessions(hub, request)),
        addLink: (request) => request.c.json(addLink(hub, request)),
        tokens: ({ c }) => c.json(tokens(hub)),
        addToken: (request) => request.c.json(addToken(hub, request)),
        revokeToken: (request) => request.c.json(revokeToken(hub, request)),
        audit: (request) => request.c.json(audit(hub, request)),
      }),
      close: async () => {},
    };
  },
};

/** With null for what is not known. */
const plain = ({ host, called, counts, ...refusal }: Refusal) => ({
  ...refusal,
  host: host ?? null,
  called: called ?? null,
  counts: [...counts],
});

const usualLimit = 100;

/** A page of the audit log. @throws Fault bad_request */
function audit(
  { book, roster }: HubView,
  { given }: RouteRequest<typeof adminRoutes.audit>,
): JsonAnswer<typeof adminRoutes.audit> {
  const { limit = usualLimit, before, actor, action, target } = given;
  const page: AuditPage = {
    limit,
    ...(before === undefined ? {} : { before }),
    ...(actor === undefined ? {} : { actor }),
    ...(action === undefined ? {} : { action }),
    ...(target === undefined ? {} : { target: targetOf({ book, roster }, target) }),
  };
  return { entries: book.audit(page).map(({ details, ...entry }) => ({ ...entry, details: { ...details } })) };
}

/** A name that is only shown of a host is that host's own, as which its changes are recorded. */
function targetOf({ book, roster }: Pick<HubView, "book" | "roster">, asked: string): string {
  return book.audit({ limit: 1, target: asked }).length > 0 ? asked : roster.keyOf(asked);
}
