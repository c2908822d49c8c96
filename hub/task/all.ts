import { dailyExport } from "./export.ts";
import type { Task } from "./task.ts";

export const tasks: readonly Task[] = [dailyExport];
