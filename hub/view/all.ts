import { admin } from "./admin.ts";
import { feed } from "./feed.ts";
import { history } from "./grpc.ts";
import { page } from "./page.ts";
import { rest } from "./rest.ts";
import { session } from "./session.ts";
import type { View } from "./view.ts";

export const views: readonly View[] = [feed, rest, session, admin, page, history];
