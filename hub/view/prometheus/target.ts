import { isIP } from "node:net";
import { isLoopback } from "../../../program/network.ts";
import { hostPort } from "../../../program/setting.ts";
import type { prometheusRoutes } from "../../route/prometheus.ts";
import type { JsonAnswer } from "../../route/route.ts";
import type { SeenHost } from "../fleet.ts";

export type Target = JsonAnswer<typeof prometheusRoutes.targets>[number];

/** Makes the exporter of a host a target of Prometheus; undefined if it has none. @param asker address of the client */
export function targetOf(seen: SeenHost, asker: string): Target | undefined {
  const { host, shown, labels, info } = seen;
  const port = info?.exporterPort;
  const address = addressOf(seen, asker);
  if (port === undefined || address === undefined) return undefined;
  const group = host.profile?.group;
  const meta = Object.entries(labels).map(([name, value]) => [`__meta_gohm_label_${name.replace(/\W/g, "_")}`, value]);
  return {
    targets: [`${isIP(address) === 6 ? `[${address}]` : address}:${port}`],
    labels: {
      node: host.name,
      ...(group === undefined ? {} : { group }),
      __meta_gohm_name: shown,
      ...(Object.fromEntries(meta) as Readonly<Record<string, string>>),
    },
  };
}

/** A host name; Prometheus refuses a target with other characters. */
const hostName = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,252})$/;

/**
 * Address of a host for a client. The hub polls the host on its own machine at the loopback address, where other machines would
 * find themselves: they get the address that the host reports.
 */
function addressOf({ host, info }: SeenHost, asker: string): string | undefined {
  const known = host.address.replace(/^tls:\/\//, "");
  // That of a machine that reports by itself has no port.
  const isPolled = isIP(known) === 0 && known.includes(":");
  const address = isPolled ? hostPort(known).host : known;
  const reported = info?.ip ?? "";
  const isOther = isPolled && isOwn(address) && !isLoopback(asker) && isReachable(reported);
  const chosen = isOther ? reported : address;
  return isIP(chosen) !== 0 || hostName.test(chosen) ? chosen : undefined;
}

const isOwn = (address: string): boolean => address === "localhost" || isLoopback(address);

/** True for an IPv4 address of a network: neither this machine's own nor link-local, where clouds have their metadata. */
const isReachable = (address: string): boolean => isIP(address) === 4 && !/^(0|127|169\.254)\./.test(address);
