// Simulates a fleet for the hub benchmark, in a process of its own so that its cost is not counted: hosts with eight GPUs
// each, as HostInfo over gRPC and as the same 46 series in Prometheus text over HTTP. Sends its ports and counts over IPC.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { playHost } from "../test/host.ts";
import { info, pass, wander } from "./reading.ts";

function page(): string {
  pass();
  const gpus = Array.from({ length: 8 }, (_, id) =>
    ["utilization_percent", "memory_used_bytes", "temperature_celsius", "power_draw_watts", "fan_percent"].map(
      (name, i) => `hw_gpu_${name}{gpu_index="${id}",gpu_uuid="GPU-0000-${id}"} ${wander(500 * (i + 1), 90, id)}`,
    ),
  ).flat();
  const host = ["cpu_usage_percent", "memory_used_bytes", "load1", "network_rx", "network_tx", "disk_used_bytes"];
  return `${[...gpus, ...host.map((name, i) => `hw_${name} ${wander(4000, 900, i)}`)].join("\n")}\n`;
}

let scrapes = 0;
const web = createServer((_request, response) => {
  scrapes++;
  response.setHeader("content-type", "text/plain; version=0.0.4");
  response.end(page());
});
const played = await playHost(info);
web.listen(0, "127.0.0.1", () => {
  process.send?.({ grpc: played.port, web: (web.address() as AddressInfo).port });
});
process.on("message", () => process.send?.({ calls: played.calls(), scrapes }));
process.on("disconnect", () => process.exit(0));
