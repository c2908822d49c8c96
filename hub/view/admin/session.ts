import { sessionId } from "../../book/book.ts";
import { Fault } from "../../fault.ts";
import type { adminRoutes } from "../../route/admin.ts";
import type { RouteRequest } from "../../route/handler.ts";
import type { JsonAnswer } from "../../route/route.ts";
import type { HubView } from "../view.ts";
import { accountNamed } from "./account.ts";

type Routes = typeof adminRoutes;

/** @throws Fault account_unknown */
export function accountSessions(
  { book, clock, identity }: HubView,
  { head, given }: RouteRequest<Routes["accountSessions"]>,
): JsonAnswer<Routes["accountSessions"]> {
  const account = accountNamed(book, given.name);
  const held = identity.session(head);
  const own = held && sessionId(held.hash);
  const listed = book.sessionList(account.id, clock.now());
  return { sessions: listed.map((session) => ({ ...session, current: session.id === own })) };
}

/** @throws Fault account_unknown, session_unknown */
export function endAccountSession(
  { desk, book }: HubView,
  { by, given }: RouteRequest<Routes["endAccountSession"]>,
): JsonAnswer<Routes["endAccountSession"]> {
  const { name } = accountNamed(book, given.name);
  desk.do(by, {
    name: "session.end",
    needs: "admin",
    target: name,
    write(writer) {
      if (writer.removeListedSession(accountNamed(writer, name).id, given.id)) return;
      throw new Fault("session_unknown", `"${name}" has no session of that number: it may have ended.`);
    },
  });
  return { ok: true };
}

/** @throws Fault account_unknown */
export function endAccountSessions(
  { desk, book }: HubView,
  { by, given }: RouteRequest<Routes["endAccountSessions"]>,
): JsonAnswer<Routes["endAccountSessions"]> {
  const { name } = accountNamed(book, given.name);
  const ended = desk.do(by, {
    name: "session.end-all",
    needs: "admin",
    target: name,
    write: (writer) => writer.removeSessions(accountNamed(writer, name).id),
  });
  return { ok: true, ended };
}
