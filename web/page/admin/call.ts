import type { adminRoutes } from "../../../hub/route/admin.ts";
import type { JsonAnswer } from "../../../hub/route/route.ts";
import { type Caller, caller } from "../../call.ts";

type Rows = typeof adminRoutes;

export const administer: Caller<Rows> = caller<Rows>({
  nodes: "GET /api/v1/admin/nodes",
  changeNode: "PATCH /api/v1/admin/nodes/{name}",
  configureNode: "PUT /api/v1/admin/nodes/{name}/config",
  approveNode: "POST /api/v1/admin/nodes/{name}/approve",
  resetNode: "DELETE /api/v1/admin/nodes/{name}/token",
  deleteNode: "DELETE /api/v1/admin/nodes/{name}",
  addServer: "POST /api/v1/admin/servers",
  accounts: "GET /api/v1/admin/accounts",
  addAccount: "POST /api/v1/admin/accounts",
  changeAccount: "PATCH /api/v1/admin/accounts/{name}",
  deleteAccount: "DELETE /api/v1/admin/accounts/{name}",
  accountSessions: "GET /api/v1/admin/accounts/{name}/sessions",
  endAccountSession: "DELETE /api/v1/admin/accounts/{name}/sessions/{id}",
  endAccountSessions: "DELETE /api/v1/admin/accounts/{name}/sessions",
  addLink: "POST /api/v1/admin/links",
  tokens: "GET /api/v1/admin/tokens",
  addToken: "POST /api/v1/admin/tokens",
  revokeToken: "DELETE /api/v1/admin/tokens/{name}",
  audit: "GET /api/v1/admin/audit",
  refusals: "GET /api/v1/admin/refusals",
});

/** A host as administrators see it. */
export type Node = JsonAnswer<Rows["nodes"]>["nodes"][number];
export type Account = JsonAnswer<Rows["accounts"]>["accounts"][number];
export type Sessions = JsonAnswer<Rows["accountSessions"]>;
export type Token = JsonAnswer<Rows["tokens"]>["tokens"][number];
export type AuditEntry = JsonAnswer<Rows["audit"]>["entries"][number];
/** An address that the hub refused. */
export type RefusedAddress = JsonAnswer<Rows["refusals"]>["refusals"][number];
