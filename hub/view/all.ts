import { feed } from "./feed.ts";
import { history } from "./grpc.ts";
import { names } from "./names.ts";
import { page } from "./page.ts";
import { rest } from "./rest.ts";
import type { View } from "./view.ts";

export const views: readonly View[] = [feed, rest, names, page, history];
