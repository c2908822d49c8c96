import { feed } from "./feed.ts";
import { page } from "./page.ts";
import type { View } from "./view.ts";

export const views: readonly View[] = [feed, page];
