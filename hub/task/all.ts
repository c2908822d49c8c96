import { dailyExport } from "./export.ts";
import { dailyReport } from "./report.ts";
import type { Task } from "./task.ts";

export const tasks: readonly Task[] = [dailyExport, dailyReport];
