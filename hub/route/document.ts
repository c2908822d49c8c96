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
      "application/json": v.pipe(
        v.objectWithRest({ openapi: v.string() }, v.unknown()),
        v.title("Document"),
        v.examples([{ openapi: "3.1.0", info: { title: "GOHM hub", version: "0.2.0" }, paths: {} }]),
      ),
    },
    refuses: [],
  },
} as const satisfies Routes;
