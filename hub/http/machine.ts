import { receivePaths } from "../route/logger.ts";
import { pushPath } from "../route/push.ts";

/** True for a path to which machines report by themselves: one below the Lab Portal's, known or not, or one of the logger's. */
export const isForMachines = (path: string): boolean =>
  path.startsWith(pushPath) || (receivePaths as readonly string[]).includes(path);
