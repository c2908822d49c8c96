// Rows of the selected machines: their cards, and the machines themselves.
import type { Panel, Query, Row, Words } from "./panel.ts";
import { card, node, span } from "./query.ts";

/** Chart with a line for each card. */
const perCard = (title: Words, unit: string, queries: readonly Query[], more: Partial<Panel> = {}): Panel => ({
  title,
  kind: "timeseries",
  width: 8,
  height: 8,
  unit,
  queries,
  ...more,
});
const line = (name: string, legend: Query["legend"] = "{{node}}:{{gpu_index}}"): Query => ({
  expr: `hw_gpu_${name}{${card}}`,
  legend,
});
const instance = "{{node}}:{{gpu_index}}:{{gpu_instance}}";

export const cards: Row = {
  title: ["Cards: $node, $gpu", "显卡：$node，$gpu"],
  panels: [
    {
      title: ["State", "状态"],
      kind: "state-timeline",
      width: 24,
      height: 6,
      values: [
        [0, ["ok", "正常"], "green"],
        [1, ["stale", "过时"], "yellow"],
        [2, ["hung", "挂起"], "orange"],
        [3, ["lost", "丢失"], "red"],
        [4, ["unsupported", "不支持"], "blue"],
      ],
      queries: [
        {
          expr: `max by (node, gpu_index) (${["ok", "stale", "hung", "lost", "unsupported"]
            .map((state, i) => `${i} * hw_gpu_state{${card},state="${state}"}`)
            .join(" or ")})`,
          legend: "{{node}}:{{gpu_index}}",
        },
      ],
    },
    perCard(["Utilization", "利用率"], "percent", [line("utilization_percent")], { most: 100 }),
    perCard(
      ["Memory in use", "显存使用率"],
      "percent",
      [
        {
          expr: `100 * hw_gpu_memory_used_bytes{${card}} / hw_gpu_memory_total_bytes{${card}}`,
          legend: "{{node}}:{{gpu_index}}",
        },
      ],
      { most: 100 },
    ),
    perCard(["Memory traffic", "显存读写占比"], "percent", [line("memory_utilization_percent")], { most: 100 }),
    perCard(["Temperature", "温度"], "celsius", [
      line("temperature_celsius"),
      line("memory_temperature_celsius", ["{{node}}:{{gpu_index}} memory", "{{node}}:{{gpu_index}} 显存"]),
      line("temperature_hotspot_celsius", ["{{node}}:{{gpu_index}} hotspot", "{{node}}:{{gpu_index}} 热点"]),
    ]),
    perCard(["Power", "功耗"], "watt", [
      line("power_draw_watts"),
      line("power_limit_watts", ["{{node}}:{{gpu_index}} limit", "{{node}}:{{gpu_index}} 上限"]),
    ]),
    perCard(["Fan", "风扇"], "percent", [line("fan_percent")], { most: 100 }),
    perCard(["Clock", "核心频率"], "hertz", [line("clock_sm_hertz")]),
    perCard(["Memory clock", "显存频率"], "hertz", [line("clock_memory_hertz")]),
    perCard(["Energy", "能耗（平均功率）"], "watt", [
      { expr: `rate(hw_gpu_energy_joules_total{${card}}${span})`, legend: "{{node}}:{{gpu_index}}" },
    ]),
    perCard(["Slowed down", "降频"], "short", [
      { expr: `hw_gpu_throttle{${card},reason!="idle"}`, legend: "{{node}}:{{gpu_index}} {{reason}}" },
    ]),
    perCard(["PCIe lanes", "PCIe 通道数"], "short", [line("pcie_link_width")]),
    perCard(["Memory rows replaced", "显存行替换数"], "short", [
      line("remapped_rows_correctable_total", ["{{node}}:{{gpu_index}} corrected", "{{node}}:{{gpu_index}} 已纠正"]),
      line("remapped_rows_uncorrectable_total", [
        "{{node}}:{{gpu_index}} uncorrected",
        "{{node}}:{{gpu_index}} 未纠正",
      ]),
    ]),
    perCard(
      ["Memory in use of MIG instances", "MIG 实例显存使用率"],
      "percent",
      [
        {
          expr: `100 * hw_gpu_instance_memory_used_bytes{${card}} / hw_gpu_instance_memory_total_bytes{${card}}`,
          legend: instance,
        },
      ],
      { most: 100, width: 24 },
    ),
  ],
};

/** Chart with a line for each machine, or for each of its disks or interfaces. */
const perHost = (title: Words, unit: string, expr: string, more: Partial<Panel> & { legend?: string } = {}): Panel => {
  const { legend = "{{node}}", ...rest } = more;
  return { title, kind: "timeseries", width: 8, height: 8, unit, queries: [{ expr, legend }], ...rest };
};

export const hosts: Row = {
  title: ["Machine: $node", "主机：$node"],
  panels: [
    perHost(["CPU", "CPU 使用率"], "percent", `hw_cpu_usage_percent{${node}}`, { most: 100 }),
    perHost(["Memory", "内存使用率"], "percent", `hw_memory_usage_percent{${node}}`, { most: 100 }),
    perHost(["Load per hardware thread", "每线程负载"], "short", `hw_load1{${node}} / hw_cpu_threads{${node}}`),
    perHost(
      ["Disks", "磁盘使用率"],
      "percent",
      `100 * hw_disk_used_bytes{${node}} / (hw_disk_total_bytes{${node}} > 0)`,
      { most: 100, legend: "{{node}} {{mount}}" },
    ),
    perHost(["Received", "网络接收"], "Bps", `rate(hw_network_receive_bytes_total{${node}}${span})`, {
      legend: "{{node}} {{nic}}",
    }),
    perHost(["Sent", "网络发送"], "Bps", `rate(hw_network_transmit_bytes_total{${node}}${span})`, {
      legend: "{{node}} {{nic}}",
    }),
    {
      title: ["Systems", "系统信息"],
      kind: "table",
      width: 24,
      height: 7,
      columns: [
        { from: "node", name: ["Machine", "机器"] },
        { from: "os", name: ["System", "系统"] },
        { from: "os_version", name: ["Version", "版本"] },
        { from: "kernel", name: ["Kernel", "内核"] },
        { from: "cpu_model", name: ["CPU", "CPU"] },
        { from: "driver_version", name: ["Driver", "驱动"] },
        { from: "cuda_version", name: ["CUDA", "CUDA"] },
        { from: "Value", name: ["Uptime", "运行时间"], unit: "s" },
      ],
      queries: [
        {
          expr: `hw_node_uptime_seconds{${node}} * on (node) group_left (os, os_version, kernel, cpu_model) hw_node_info{${node}} * on (node) group_left (driver_version, cuda_version) hw_agent_info{${node}}`,
        },
      ],
    },
  ],
};
