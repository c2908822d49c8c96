import { text } from "./parameter.ts";
import type { Routes } from "./route.ts";

const unchanged = { 304: "The client has this file already (If-None-Match)." };
const common = { method: "GET", needs: "open", tag: "hub", plain: "redirected" } as const;
const html = {
  ...common,
  answer: { "text/html": "text" },
  others: { ...unchanged, 503: "The page was not built; the answer says how." },
  refuses: [],
} as const;

export const docsRoutes = {
  docs: {
    ...html,
    path: "/docs",
    summary: "This interface in Swagger UI",
    description: "Requests that only read can be tried out, as far as the client may use them.",
  },
  redoc: { ...html, path: "/redoc", summary: "This interface in ReDoc" },
  docsFile: {
    ...common,
    path: "/docs/{file}",
    pattern: "/docs/:file{[A-Za-z0-9-]+(?:\\.[A-Za-z0-9-]+)+}",
    summary: "A file of these two pages",
    params: { file: text({ help: "Name of the file.", example: "start.js" }) },
    answer: { "*/*": "bytes" },
    others: unchanged,
    refuses: ["page_unknown"],
  },
} as const satisfies Routes;
