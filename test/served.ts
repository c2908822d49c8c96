// The views of a hub on loopback: every route and the built page over HTTP, and gRPC.

import { application } from "../hub/http/application.ts";
import { listen } from "../hub/http/server.ts";
import { silent } from "../hub/log.ts";
import { views } from "../hub/view/all.ts";
import type { HubView, RunningView } from "../hub/view/view.ts";
import type { Part } from "../program/part.ts";
import { openFront } from "./door.ts";

export interface ServedViews {
  readonly parts: readonly RunningView[];
  /** Answers requests without a network, too. */
  readonly app: ReturnType<typeof application>;
  /** "http://127.0.0.1:…" */
  readonly url: string;
  /** "127.0.0.1:…" of the gRPC service. */
  readonly grpc: string;
  close(): Promise<void>;
}

/** Settings of a part, which listens at any port of loopback. */
export const defaults = ({ table }: Pick<Part, "table">): Record<string, unknown> =>
  Object.fromEntries(Object.entries(table).map(([key, row]) => [key, key === "address" ? "127.0.0.1:0" : row.default]));

export async function serveViews(hub: HubView): Promise<ServedViews> {
  const open: RunningView[] = [];
  for (const view of views) open.push(await view.open(hub, defaults(view)));
  const app = application(open, { log: silent, entry: hub.identity });
  const web = await listen(app, { address: "127.0.0.1:0", front: openFront, names: () => [], log: silent });
  return {
    parts: open,
    app,
    url: `http://127.0.0.1:${web.port}`,
    grpc: open.flatMap(({ place }) => place?.split(" ").at(-1) ?? [])[0] ?? "",
    async close() {
      for (const view of open) await view.close();
      await web.close();
    },
  };
}
