import { admin } from "./admin.ts";
import { docs } from "./docs.ts";
import { feed } from "./feed.ts";
import { history } from "./grpc.ts";
import { health } from "./health.ts";
import { logger } from "./logger.ts";
import { page } from "./page.ts";
import { prometheus } from "./prometheus.ts";
import { rest } from "./rest.ts";
import { session } from "./session.ts";
import { v1 } from "./v1.ts";
import type { View } from "./view.ts";

export const views: readonly View[] = [feed, v1, rest, session, admin, logger, health, prometheus, docs, page, history];
