import type { XidAction } from "./gen/host_pb.js";

// Values of the generated enum, checked by its type: the agent's small NVML reader loads this file, and not 3 MB of protobuf.
const none: XidAction.NONE = 1;
const restartProgram: XidAction.RESTART_PROGRAM = 2;
const inspect: XidAction.INSPECT = 3;
const resetGpu: XidAction.RESET_GPU = 4;
const restartMachine: XidAction.RESTART_MACHINE = 5;

/**
 * Codes by the immediate action of NVIDIA's catalogue (https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html).
 * Where that is a workflow: 45 follows another event; 48, 74 and 144 to 150 end in a reset in the cases that matter, and
 * the event does not say which case it is; 171 and 172 detail a 48; 154 sums up the events before it.
 */
const catalog: readonly (readonly [XidAction, string])[] = [
  // IGNORE
  [none, "14 37-38 43-45 63 66-67 92-93 106-108 121 137 141 152-154 157 160-163"],
  // RESTART_APP
  [restartProgram, "8 11 13 25 31-32 39-41 60 68-72 75-77 80 82-86 88-89 94 96-105 126-135 139"],
  // RESET_GPU
  [resetGpu, "46 48 62 64 74 95 109-110 119-120 136 140 143-150 155-156 158 171-172"],
  // RESTART_BM, RESTART_VM
  [restartMachine, "79 151"],
];

const lists = (codes: string, code: number): boolean =>
  codes.split(" ").some((range) => {
    const [from, to = from] = range.split("-").map(Number);
    return from !== undefined && to !== undefined && from <= code && code <= to;
  });

/** Returns the action after an event of this code; INSPECT if the catalogue has another one, or does not list it. */
export const xidAction = (code: number): XidAction => catalog.find(([, codes]) => lists(codes, code))?.[0] ?? inspect;

/** True if a card with such an event is not reliable. */
export const graveXid = (action: XidAction): boolean => action >= inspect;

/** Returns the graver of two codes; the first if they are equally grave, because it caused the others. */
export const graver = (first: number | undefined, second: number): number =>
  first === undefined || xidAction(second) > xidAction(first) ? second : first;
