import type { FunctionComponent } from "preact";
import { text } from "../language.ts";
import { lazy, lazyAdmin } from "../part/lazy.tsx";
import type { Params } from "../route.ts";
import { FleetPage, fleetTitle } from "./fleet.tsx";

interface Page {
  /** Address behind "#"; its parameters are given to `Show` and `title`. */
  readonly path: string;
  /** Right that it requires; without it the viewer sees the sign-in. The hub decides on every request. */
  readonly needs: "open" | "read" | "admin";
  readonly Show: FunctionComponent<Params>;
  /** Title of the browser's tab before "GOHM"; "" for none. */
  title(params: Params): string;
}

const admin = () => import("./admin.tsx");
const reports = (): string => text.value.reports;
const administration = (): string => text.value.administration;

/** Every page. The first is the home page; a path comes before another that also matches its addresses. */
export const pages: readonly [Page, ...Page[]] = [
  { path: "/", needs: "read", Show: FleetPage, title: fleetTitle },
  {
    path: "/host/:name",
    needs: "read",
    Show: lazy(async () => (await import("./host.tsx")).HostPage),
    title: ({ name = "" }) => name,
  },
  {
    path: "/reports",
    needs: "read",
    Show: lazy(async () => (await import("./reports.tsx")).openReports()),
    title: reports,
  },
  {
    path: "/reports/:node/:date",
    needs: "read",
    Show: lazy(async () => (await import("./reports.tsx")).openReport()),
    title: ({ node = "", date = "" }) => `${node} ${date}`,
  },
  {
    path: "/link",
    needs: "open",
    Show: lazyAdmin(async () => (await import("./link.tsx")).LinkPage),
    title: () => "",
  },
  {
    path: "/sign-in/:id",
    needs: "open",
    Show: lazyAdmin(async () => (await import("./sign-in.tsx")).SignInFailurePage),
    title: () => "",
  },
  {
    path: "/account",
    needs: "open",
    Show: lazyAdmin(async () => (await admin()).AccountPage),
    title: () => "",
  },
  { path: "/admin", needs: "admin", Show: lazyAdmin(async () => (await admin()).HostsPage), title: administration },
  {
    path: "/admin/accounts",
    needs: "admin",
    Show: lazyAdmin(async () => (await admin()).AccountsPage),
    title: administration,
  },
  {
    path: "/admin/tokens",
    needs: "admin",
    Show: lazyAdmin(async () => (await admin()).TokensPage),
    title: administration,
  },
  {
    path: "/admin/audit",
    needs: "admin",
    Show: lazyAdmin(async () => (await admin()).AuditPage),
    title: administration,
  },
  {
    path: "/admin/host/:name",
    needs: "admin",
    Show: lazyAdmin(async () => (await admin()).HostPanelPage),
    title: ({ name = "" }) => name,
  },
];
