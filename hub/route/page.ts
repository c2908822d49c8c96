import * as v from "valibot";
import { text } from "./parameter.ts";
import type { Routes } from "./route.ts";

const about = v.pipe(
  v.object({ message: v.string(), version: v.string(), docs_url: v.string() }),
  v.title("About"),
  v.examples([{ message: "GOHM", version: "0.2.0", docs_url: "/docs" }]),
);

const statuses = {
  304: "The client has this file already (If-None-Match).",
  503: "The page was not built; the answer says how.",
};

export const pageRoutes = {
  page: {
    method: "GET",
    path: "/",
    needs: "open",
    tag: "page",
    plain: "redirected",
    summary: "The page, or for a client that prefers JSON, what this hub is",
    description: "`docs_url` is where clients of the GPU Metrics Logger expect the documentation of the interface.",
    answer: { "text/html": "text", "application/json": about },
    others: statuses,
    refuses: [],
  },
  about: {
    method: "GET",
    path: "/api",
    needs: "open",
    tag: "logger",
    faults: "logger",
    cors: true,
    summary: "What this hub is, as clients of the logger ask for it",
    description: "The same as `GET /` for a client that prefers JSON.",
    answer: { "application/json": about },
    refuses: [],
  },
  hostPage: {
    method: "GET",
    path: "/host/{name}",
    // A name may contain slashes.
    pattern: "/host/*",
    needs: "open",
    tag: "page",
    plain: "redirected",
    summary: "Redirects to the page of one host",
    params: { name: text({ help: "Name of a server.", example: "gpu1" }) },
    answer: {},
    others: { 302: "The page of the host, `/#/host/{name}`; the address is relative" },
    refuses: [],
  },
  pageFile: {
    method: "GET",
    path: "/{file}",
    pattern: "/:file{[A-Za-z0-9._-]+\\.[a-z0-9]+}",
    needs: "open",
    tag: "page",
    plain: "redirected",
    summary: "A file of the page",
    params: { file: text({ help: "Name of the file.", example: "favicon.svg" }) },
    answer: { "*/*": "bytes" },
    others: { 304: statuses[304] },
    refuses: ["page_unknown"],
  },
} as const satisfies Routes;
