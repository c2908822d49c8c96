import type { ReadNode, ReportCard } from "../../report/report.ts";
import { intervalRoutes } from "../../route/interval.ts";
import type { HubClient } from "../command.ts";

/** Reads nodes from the history of a running hub. @param hub is called when there is such a node */
export const hubReader =
  (hub: () => HubClient): ReadNode =>
  async (node, day) => {
    const range = { from: 1000 * day.from, to: 1000 * day.to };
    const { gpus, issues } = await hub().call(intervalRoutes.intervals, { host: node.host ?? "", ...range });
    const cards = gpus.map(({ index, t, gpu_percent, vram_percent }): ReportCard => {
      const rows = t.map((at, i) => ({ at, gpu: gpu_percent[i] ?? 0, vram: vram_percent[i] ?? 0 }));
      return { index, card: index, rows: rows.length === 0 ? undefined : rows };
    });
    if (node.cards === undefined) return { node, day, cards, issues };
    const byIndex = new Map(cards.map(({ index, rows }) => [index, rows]));
    const wanted = node.cards.map((card, index) => ({ index, card, rows: byIndex.get(index) }));
    return { node, day, cards: wanted, issues };
  };
