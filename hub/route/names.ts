import type { Routes } from "./route.ts";

export const nameRoutes = {
  names: {
    method: "GET",
    path: "/api/names",
    needs: "read",
    tag: "live",
    summary: "Names of all hosts",
    answer: { "text/plain": "text" },
    refuses: [],
  },
} as const satisfies Routes;
