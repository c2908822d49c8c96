// Runs in a network namespace of its own: a DNS server that does not answer for some names, and a hub whose hosts have names.
// Prints the state of the hosts in the hub's feed.
import { createSocket } from "node:dgram";
import { machine, playHost } from "../host.ts";
import { hubFolder, startHub, view } from "../hub.ts";

/** Answers every name with 127.0.0.1, but for those that begin with "dead". */
const dns = createSocket("udp4");
dns.on("message", (asked, { port, address }) => {
  const name = asked.subarray(13, 13 + (asked[12] ?? 0)).toString();
  if (name.startsWith("dead")) return;
  const end = asked.indexOf(0, 12) + 5;
  const head = Buffer.from(asked.subarray(0, end));
  const wantsIpv4 = head.readUInt16BE(end - 4) === 1;
  head.writeUInt16BE(0x8180, 2);
  for (const [at, count] of [wantsIpv4 ? 1 : 0, 0, 0].entries()) head.writeUInt16BE(count, 6 + 2 * at);
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
  dns.send(wantsIpv4 ? Buffer.concat([head, record]) : head, port, address);
});
await new Promise<void>((resolve) => dns.bind(53, "127.0.0.1", resolve));

const host = await playHost(() => machine(Date.now()));
const at = hubFolder();
const dead = Array.from({ length: 40 }, (_, n) => [`dead${n}`, `dead${n}.lab.example:9203`]);
const good = Array.from({ length: 8 }, (_, n) => [`good${n}`, `good${n}.lab.example:${host.port}`]);
at.write({ servers: Object.fromEntries([...dead, ...good]), poll: { interval: 2, deadline: 2 } });
const hub = await startHub(at);
const viewer = view(hub.url);
const bound = AbortSignal.timeout(30_000);
const answered = (): string[] => [...viewer.hosts.values()].flatMap(({ name, info }) => (info ? [name] : []));
while (answered().length < good.length && !bound.aborted) await new Promise((resolve) => setTimeout(resolve, 50));
console.log(`answered: ${answered().toSorted().join(" ")}`);
viewer.close();
// A lookup that is under way holds up an orderly end.
await hub.stop("SIGKILL");
host.close();
dns.close();
at.remove();
