import type { ApiToken } from "../../book/book.ts";
import { actorName } from "../../desk.ts";
import { Fault } from "../../fault.ts";
import type { adminRoutes } from "../../route/admin.ts";
import type { RouteRequest } from "../../route/handler.ts";
import type { JsonAnswer } from "../../route/route.ts";
import { hashOf, newSecret } from "../../secret.ts";
import type { HubView } from "../view.ts";

type Routes = typeof adminRoutes;

/** Begins every token of the API, so that people and scanners of leaked secrets recognize one. */
const prefix = "gohm_";
const dayMs = 86_400_000;

const answerOf = ({ expires, used, ...token }: ApiToken): JsonAnswer<Routes["addToken"]>["token"] => ({
  ...token,
  expires: expires ?? null,
  used: used ?? null,
});

export const tokens = ({ book }: HubView): JsonAnswer<Routes["tokens"]> => ({ tokens: book.tokens().map(answerOf) });

/** Creates a token; only its hash is stored. @throws Fault name_taken */
export function addToken(hub: HubView, { by, body }: RouteRequest<Routes["addToken"]>): JsonAnswer<Routes["addToken"]> {
  const { name, scope, days } = body;
  const secret = `${prefix}${newSecret()}`;
  const created = hub.clock.now();
  const expires = days === undefined || days === null ? undefined : created + days * dayMs;
  const token = hub.desk.do(by, {
    name: "token.create",
    needs: "admin",
    target: name,
    details: { scope, days: days ?? null },
    write: (book) => book.addToken(hashOf(secret), { name, scope, created, creator: actorName(by), expires }),
  });
  return { token: answerOf(token), secret };
}

/** @throws Fault token_unknown */
export function revokeToken(hub: HubView, { by, given: { name } }: RouteRequest<Routes["revokeToken"]>): { ok: true } {
  const token = hub.book.tokens().find((one) => one.name === name);
  if (token === undefined) throw new Fault("token_unknown", `There is no token "${name}".`);
  hub.desk.do(by, {
    name: "token.revoke",
    needs: "admin",
    target: name,
    details: { scope: token.scope },
    write: (book) => book.removeToken(token.id),
  });
  return { ok: true };
}
