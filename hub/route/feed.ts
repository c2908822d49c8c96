import { required, text } from "./parameter.ts";
import type { Routes } from "./route.ts";

export const feedRoutes = {
  feedHost: {
    method: "GET",
    path: "/feed/host",
    needs: "read",
    tag: "live",
    summary: "The last report of one host",
    description:
      "A `feed.Host` (proto/feed.proto) with everything that the host reported last; of its users, what `privacy.users` lets the client see.",
    params: {
      name: required("name a server", text({ help: "Name of a server, or its shown name.", example: "gpu1" })),
    },
    answer: { "application/x-protobuf": "bytes" },
    refuses: ["bad_request", "host_unknown", "busy"],
  },
  feed: {
    method: "GET",
    path: "/feed",
    needs: "read",
    tag: "live",
    summary: "Live state of all hosts, as events",
    description:
      "Server-sent events without end; the data of each is base64 of a `feed.Event` (proto/feed.proto): first the whole state, then what changes. The hub ends the stream if what the client may see changes.",
    answer: { "text/event-stream": "text" },
    refuses: [],
  },
} as const satisfies Routes;
