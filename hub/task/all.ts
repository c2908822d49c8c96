import type { Task } from "./task.ts";

export const tasks: readonly Task[] = [];
