// Rows for people who look for a free card, or for the holder of one.
import { freeRule } from "../../proto/verdict.ts";
import type { Column, Row } from "./panel.ts";
import { countOf, faults, free, held, heldMemory, heldShare, key, node } from "./query.ts";

/** Columns that name the card of a table's line. */
const card: readonly Column[] = [
  { from: "node", name: ["Machine", "机器"] },
  { from: "gpu_index", name: ["Card", "卡"] },
  { from: "gpu_instance", name: ["Instance", "实例"] },
  { from: "gpu_name", name: ["Model", "型号"] },
];

export const answers: Row = {
  title: ["Which card is free?", "哪张卡空闲？"],
  panels: [
    {
      title: ["Free cards", "空闲卡"],
      about: [
        "Cards and MIG instances that answer, have no process, and whose memory is as good as empty.",
        "能正常应答、没有进程且显存几乎为空的卡和 MIG 实例。",
      ],
      kind: "stat",
      width: 4,
      height: 4,
      queries: [{ expr: countOf(free) }],
    },
    {
      title: ["Cards with processes", "有进程的卡"],
      kind: "stat",
      width: 4,
      height: 4,
      queries: [{ expr: countOf(`count by (node, gpu_index) ${held}`) }],
    },
    {
      title: ["Cards with a fault", "有故障的卡"],
      kind: "stat",
      width: 4,
      height: 4,
      alarm: [1, 1],
      queries: [{ expr: countOf(`count by (node, gpu_index) (${faults})`) }],
    },
    {
      title: ["Cards", "显卡总数"],
      kind: "stat",
      width: 4,
      height: 4,
      queries: [{ expr: `sum(hw_gpu_count{${node}})` }],
    },
    {
      title: ["Machines", "机器数"],
      kind: "stat",
      width: 4,
      height: 4,
      queries: [{ expr: `count(hw_agent_info{${node}})` }],
    },
    {
      title: ["Utilization of all cards", "全部显卡平均利用率"],
      kind: "stat",
      width: 4,
      height: 4,
      unit: "percent",
      queries: [{ expr: `avg(hw_gpu_utilization_percent{${node}})` }],
    },
    {
      title: ["Free cards and instances", "空闲的卡和实例"],
      kind: "table",
      width: 12,
      height: 9,
      columns: [...card, { from: "Value", name: ["Memory", "显存"], unit: "bytes" }],
      queries: [
        {
          expr: `(hw_gpu_memory_total_bytes{${node}} or hw_gpu_instance_memory_total_bytes{${node}} or hw_gpu_asleep{${node}} * 0) and ${key} (${free})`,
        },
      ],
    },
    {
      title: ["Free cards over time", "空闲卡数变化"],
      kind: "timeseries",
      width: 12,
      height: 9,
      queries: [
        { expr: countOf(free), legend: ["free", "空闲"] },
        { expr: countOf(`count by (node, gpu_index) ${held}`), legend: ["with processes", "有进程"] },
        { expr: `sum(hw_gpu_count{${node}})`, legend: ["all", "全部"] },
      ],
    },
  ],
};

export const holders: Row = {
  title: ["Who holds the others, and are they using them?", "其余的卡被谁占用？是否真的在用？"],
  panels: [
    {
      title: ["By user", "按用户"],
      kind: "table",
      width: 10,
      height: 9,
      columns: [
        { from: "user", name: ["User", "用户"] },
        { from: "Value #A", name: ["Cards", "卡数"] },
        { from: "Value #B", name: ["Memory", "显存"], unit: "bytes" },
        { from: "Value #C", name: ["Utilization of those cards", "所占卡的平均利用率"], unit: "percent" },
      ],
      queries: [
        { expr: `count by (user) (count by (user, node, gpu_index) ${held})` },
        { expr: `sum by (user) ${heldMemory}` },
        {
          expr: `avg by (user) (hw_gpu_utilization_percent{${node}} * on (node, gpu_index) group_right () group by (user, node, gpu_index) ${held})`,
        },
      ],
    },
    {
      title: ["By card", "按卡"],
      kind: "table",
      width: 14,
      height: 9,
      columns: [
        ...card,
        { from: "user", name: ["User", "用户"] },
        { from: "Value #A", name: ["Processes", "进程数"] },
        { from: "Value #B", name: ["Memory", "显存"], unit: "bytes" },
        { from: "Value #C", name: ["Share of the card's time", "占用算力"], unit: "percent" },
      ],
      queries: [{ expr: held }, { expr: heldMemory }, { expr: heldShare }],
    },
    {
      title: ["Cards held by each user", "各用户占用的卡数"],
      kind: "timeseries",
      width: 12,
      height: 8,
      stacked: true,
      queries: [{ expr: `count by (user) (count by (user, node, gpu_index) ${held})`, legend: "{{user}}" }],
    },
    {
      title: ["Held, and idle", "占而不用的卡"],
      about: [
        `Cards with processes and less than ${freeRule.utilization} % utilization, by user.`,
        `有进程但利用率低于 ${freeRule.utilization} % 的卡，按用户统计。`,
      ],
      kind: "timeseries",
      width: 12,
      height: 8,
      stacked: true,
      queries: [
        {
          expr: `count by (user) (group by (user, node, gpu_index) ${held} and on (node, gpu_index) (avg_over_time(hw_gpu_utilization_percent{${node}}[10m]) < ${freeRule.utilization}))`,
          legend: "{{user}}",
        },
      ],
    },
  ],
};
