// Plays the nodes' Netdata and the task API, in a process of its own: what they cost is neither program's.
import { PlayedNetdata, type PlayedValues } from "../../test/report/netdata.ts";
import { PlayedTasks, playedTask } from "../../test/report/tasks.ts";

export interface NodesOrder {
  readonly count: number;
  readonly cards: number;
}

/** Where they are. */
export interface PlayedNodes {
  readonly nodes: readonly { readonly name: string; readonly url: string }[];
  readonly tasks: { readonly url: string; readonly token: string };
}

/** Charts in the list of a node with eight cards beside those that are read. */
const others = 500;
const model = "AMD_Instinct_MI300X";
/** Number of a card of a MI300X node. */
const cardOf = (index: number): number => 1 + 8 * index;
const nameOf = (node: number): string => `gpu-node-${String(node).padStart(3, "0")}`;

/** A number from 0 to 1 that looks random, and is the same in every run. */
function noise(...seeds: readonly number[]): number {
  let state = 0x9e3779b9;
  for (const seed of seeds) state = Math.imul(state ^ seed, 0x85ebca6b) ^ (state >>> 13);
  return (Math.imul(state ^ (state >>> 16), 0xc2b2ae35) >>> 0) / 2 ** 32;
}

/** As Netdata's means of ten minutes: up to seven decimals; cards are idle or busy for hours. */
const valuesOf =
  (node: number, index: number, metric: number): PlayedValues =>
  (at) => {
    const busy = noise(node, index, Math.floor(at / 7200));
    if (metric === 0 && busy < 0.3) return 0;
    if (metric === 0 && busy > 0.95) return 100;
    return Math.round(1e9 * noise(node, index, metric, at)) / 1e7;
  };

async function play({ count, cards }: NodesOrder): Promise<PlayedNodes> {
  const netdata = await PlayedNetdata.start();
  const api = await new PlayedTasks().up();
  const tasks = new Map<string, unknown>();
  const numbers = Array.from({ length: count }, (_, node) => node);
  for (const node of numbers) {
    const name = nameOf(node);
    const all = Array.from({ length: cards }, (_, index) => ({
      ...{ card: cardOf(index), model },
      ...{ gpu: valuesOf(node, index, 0), vram: valuesOf(node, index, 1) },
    }));
    netdata.nodes.set(name, { cards: all, others });
    // A task on two cards of each second node.
    const gpus = [0, 1].map((index) => ({ uuid: `GPU-${node}-${index}`, id: cardOf(index) }));
    if (node % 2 === 0) tasks.set(`task-${node}`, playedTask(`user${node % 17}`, name, gpus));
  }
  api.tasks = tasks;
  const nodes = numbers.map((node) => ({ name: nameOf(node), url: netdata.url(nameOf(node)) }));
  return { nodes, tasks: { url: api.url, token: api.token } };
}

process.once("message", (order: NodesOrder) => void play(order).then((played) => process.send?.(played)));
process.once("disconnect", () => process.exit());
