import type { Part } from "../program/part.ts";
import { engines } from "./history/all.ts";
import type { Engine } from "./history/engine.ts";
import { inputs } from "./input/all.ts";
import type { Input } from "./input/input.ts";
import { tasks } from "./task/all.ts";
import type { Task } from "./task/task.ts";
import { views } from "./view/all.ts";
import type { View } from "./view/view.ts";

/** What a hub is composed of: each list is in the all.ts of its folder. */
export interface Parts {
  readonly inputs: readonly Input[];
  /** The first one keeps the history. */
  readonly engines: readonly Engine[];
  readonly views: readonly View[];
  readonly tasks: readonly Task[];
}

export const parts: Parts = { inputs, engines, views, tasks };

/** All of them, in the order in which their settings are documented. */
export const listed = ({ inputs, engines, views, tasks }: Parts): readonly Part[] => [
  ...inputs,
  ...engines,
  ...views,
  ...tasks,
];
