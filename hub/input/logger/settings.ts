import { networksIn } from "../../../program/network.ts";
import { limit, row, type SettingReader, type Table, type Values } from "../../../program/setting.ts";

/**
 * Loopback, private (RFC 1918), link-local and unique local addresses (RFC 4193). Not 100.64.0.0/10, which customers of one
 * provider share.
 */
const usual = "127.0.0.0/8, 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16, ::1, fc00::/7, fe80::/10";

/** Who may send records without a token: nobody at all, nobody without one, or these networks. */
const senders: SettingReader<string> = {
  wanted: '"off", "token", or networks separated by commas, like "10.0.0.0/8, 192.168.1.5, fd00::/8"',
  schema: { type: "string" },
  placeholder: "NETWORKS",
  parse(value) {
    if (typeof value !== "string") return undefined;
    const text = value.trim();
    return text === "off" || text === "token" || networksIn(text).wrong === undefined ? text : undefined;
  },
};

export const table = {
  senders: row({
    name: "push.logger",
    env: "GOHM_PUSH_LOGGER",
    default: usual,
    help: 'Who may send records as clients of the NVIDIA GPU Metrics Logger do: nobody ("off"), only who has a token of scope push ("token"), or clients at these networks and who has one. The address of the connection counts. Behind a proxy, or where a container\'s port is published, all clients may have one address.',
    reader: senders,
  }),
  body: row({
    name: "push.body",
    env: "GOHM_PUSH_BODY",
    default: "64MiB",
    help: "Size of the largest request with records: after an outage, a client of the logger sends everything in one (8 GPUs every 5 seconds make 1.7 MiB in an hour). Empty for no limit but a million records.",
    reader: limit("1MiB"),
  }),
} satisfies Table;

export type LoggerSettings = Values<typeof table>;
