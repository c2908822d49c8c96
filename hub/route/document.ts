import * as v from "valibot";
import type { Routes } from "./route.ts";

export const documentRoutes = {
  openapi: {
    method: "GET",
    path: "/openapi.json",
    needs: "open",
    tag: "hub",
    summary: "This document (OpenAPI 3.1)",
    answer: {
      "application/json": v.pipe(v.looseObject({ openapi: v.string(), paths: v.looseObject({}) }), v.title("Document")),
    },
    refuses: [],
  },
} as const satisfies Routes;
