import { required, text } from "./parameter.ts";
import type { Routes } from "./route.ts";

const copy = {
  method: "GET",
  // Its length is known only once the copy is made.
  head: false,
  needs: "owner",
  tag: "owner",
  description:
    "The file, whole, with its length. While the copy is made, a status 102 every five seconds says that the hub is at work.",
  answer: { "application/octet-stream": "bytes" },
} as const;

export const backupRoutes = {
  backup: { ...copy, path: "/backup", summary: "A copy of the history", refuses: ["backup_failed"] },
  databaseBackup: {
    ...copy,
    path: "/backup/{database}",
    summary: "A copy of one database",
    params: { database: required("name a database", text({ help: "`history` or `book`.", example: "book" })) },
    others: { 204: "Another server keeps this database." },
    refuses: ["page_unknown", "backup_failed"],
  },
} as const satisfies Routes;
