import type { FunctionComponent } from "preact";
import { lazy } from "../part/lazy.tsx";
import type { Params } from "../route.ts";
import { FleetPage, fleetTitle } from "./fleet.tsx";

interface Page {
  /** Address behind "#"; its parameters are given to `Show` and `title`. */
  readonly path: string;
  /** Who may open it. Not read yet, as everyone may read: the hub decides, and the page will hide what a viewer may not open. */
  readonly needs: "open" | "read" | "admin";
  readonly Show: FunctionComponent<Params>;
  /** Title of the browser's tab before "GOHM"; "" for none. */
  title(params: Params): string;
}

/** Every page. The first is the home page; a path comes before another that also matches its addresses. */
export const pages: readonly [Page, ...Page[]] = [
  { path: "/", needs: "read", Show: FleetPage, title: fleetTitle },
  {
    path: "/host/:name",
    needs: "read",
    Show: lazy(async () => (await import("./host.tsx")).HostPage),
    title: ({ name = "" }) => name,
  },
];
