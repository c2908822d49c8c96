import type { Input } from "./input.ts";
import { poll } from "./poll.ts";

export const inputs: readonly Input[] = [poll];
