// Rows for administrators: what is broken, and how the fleet is used.
import type { Row } from "./panel.ts";
import { faults, node, span } from "./query.ts";

export const broken: Row = {
  title: ["Which machine is broken?", "哪台机器出了故障？"],
  panels: [
    {
      title: ["What is wrong with which card", "各卡的故障"],
      about: [
        "lost, hung and stale are states of the reading; ecc counts errors that could not be corrected; xid is followed by the code of the gravest event since the card was last reset, unless NVIDIA asks for no more than starting the program again; hw_… is the card slowing down by itself.",
        "lost、hung、stale 为读取状态；ecc 为无法纠正的错误数；xid 后为显卡上次复位以来最严重事件的代码（NVIDIA 仅要求重启程序的除外）；hw_… 表示显卡自行降频。",
      ],
      kind: "table",
      width: 12,
      height: 8,
      columns: [
        { from: "node", name: ["Machine", "机器"] },
        { from: "gpu_index", name: ["Card", "卡"] },
        { from: "gpu_name", name: ["Model", "型号"] },
        { from: "fault", name: ["Fault", "故障"] },
        { from: "Value", name: ["Count", "次数"] },
      ],
      queries: [{ expr: faults }],
    },
    {
      title: ["Machines that fell silent within the hour", "一小时内失联的机器"],
      kind: "table",
      width: 6,
      height: 8,
      columns: [{ from: "node", name: ["Machine", "机器"] }],
      queries: [
        {
          expr: `count by (node) (last_over_time(hw_agent_info{${node}}[1h])) unless on (node) hw_agent_info{${node}}`,
        },
      ],
    },
    {
      title: ["Readings that fail", "读取失败的部分"],
      kind: "table",
      width: 6,
      height: 8,
      columns: [
        { from: "node", name: ["Machine", "机器"] },
        { from: "source", name: ["Reading", "读取项"] },
        { from: "Value", name: ["Last success", "距上次成功"], unit: "s" },
      ],
      queries: [{ expr: `hw_source_age_seconds{${node}} and on (node, source) (hw_source_success{${node}} == 0)` }],
    },
    {
      title: ["Age of the cards' values", "显卡数据的时效"],
      kind: "timeseries",
      width: 8,
      height: 7,
      unit: "s",
      queries: [{ expr: `max by (node) (hw_gpu_sample_age_seconds{${node}})`, legend: "{{node}}" }],
    },
    {
      title: ["Cards slowed down, by reason", "降频的卡数（按原因）"],
      kind: "timeseries",
      width: 8,
      height: 7,
      stacked: true,
      queries: [{ expr: `count by (reason) (hw_gpu_throttle{${node},reason!="idle"})`, legend: "{{reason}}" }],
    },
    {
      title: ["Xid events and memory errors", "Xid 事件与显存错误"],
      kind: "timeseries",
      width: 8,
      height: 7,
      queries: [
        { expr: `sum by (node) (increase(hw_gpu_xid_total{${node}}${span}))`, legend: "{{node}} Xid" },
        {
          expr: `sum by (node) (increase(hw_gpu_ecc_corrected_total{${node}}${span}))`,
          legend: ["{{node}} ECC corrected", "{{node}} ECC 已纠正"],
        },
        {
          expr: `sum by (node) (increase(hw_gpu_ecc_uncorrected_total{${node}}${span}))`,
          legend: ["{{node}} ECC uncorrected", "{{node}} ECC 未纠正"],
        },
      ],
    },
  ],
};

export const fleet: Row = {
  title: ["All machines", "全部机器"],
  panels: [
    {
      title: ["Utilization by machine", "各机器显卡利用率"],
      kind: "timeseries",
      width: 12,
      height: 8,
      unit: "percent",
      most: 100,
      queries: [{ expr: `avg by (node) (hw_gpu_utilization_percent{${node}})`, legend: "{{node}}" }],
    },
    {
      title: ["GPU memory in use by machine", "各机器显存使用率"],
      kind: "timeseries",
      width: 12,
      height: 8,
      unit: "percent",
      most: 100,
      queries: [
        {
          expr: `100 * sum by (node) (hw_gpu_memory_used_bytes{${node}}) / sum by (node) (hw_gpu_memory_total_bytes{${node}})`,
          legend: "{{node}}",
        },
      ],
    },
    {
      title: ["GPU power by machine", "各机器显卡功耗"],
      kind: "timeseries",
      width: 12,
      height: 8,
      unit: "watt",
      stacked: true,
      queries: [{ expr: `sum by (node) (hw_gpu_power_draw_watts{${node}})`, legend: "{{node}}" }],
    },
    {
      title: ["Hottest card of each machine", "各机器最热的卡"],
      kind: "timeseries",
      width: 12,
      height: 8,
      unit: "celsius",
      queries: [{ expr: `max by (node) (hw_gpu_temperature_celsius{${node}})`, legend: "{{node}}" }],
    },
    {
      title: ["Cards by model", "各型号显卡数"],
      kind: "bargauge",
      width: 24,
      height: 5,
      queries: [{ expr: `sum by (gpu_type) (hw_gpu_type_count{${node}})`, legend: "{{gpu_type}}" }],
    },
  ],
};
