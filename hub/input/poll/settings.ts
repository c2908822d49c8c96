import { number, path, row, type Table, text, type Values } from "../../../program/setting.ts";

export const table = {
  interval: row({
    name: "poll.interval",
    env: "GOHM_POLL_INTERVAL",
    default: 10,
    help: "Seconds between two polls of a machine.",
    reader: number("seconds", 1, 3600),
  }),
  deadline: row({
    name: "poll.deadline",
    env: "GOHM_POLL_DEADLINE",
    default: 8,
    help: "Seconds within which a machine must answer; an agent waits up to 5 for a hung driver.",
    reader: number("seconds", 0.1, 60),
  }),
  concurrency: row({
    name: "poll.concurrency",
    env: "GOHM_POLL_CONCURRENCY",
    default: 256,
    help: "Maximum number of polls at the same time; machines that do not answer use at most half of them.",
    reader: number("polls", 2, 10_000),
  }),
  token: row({
    name: "poll.token",
    env: "GOHM_POLL_TOKEN",
    default: "",
    help: "Shared secret sent to every machine (GOHM_TOKEN there); GOHM_POLL_TOKEN_FILE names a file that contains it.",
    reader: text("a text without line breaks", (value) => !/[\r\n]/.test(value)),
    secret: true,
  }),
  ca: row({
    name: "poll.ca",
    env: "GOHM_POLL_CA",
    default: "",
    help: "Certificate authorities (PEM file) of tls:// machines; if empty, those of the system.",
    reader: path("file"),
  }),
  cert: row({
    name: "poll.cert",
    env: "GOHM_POLL_CERT",
    default: "",
    help: "Certificate (PEM file) of this hub, for tls:// machines that require one.",
    reader: path("file"),
  }),
  key: row({
    name: "poll.key",
    env: "GOHM_POLL_KEY",
    default: "",
    help: "Private key (PEM file) of that certificate.",
    reader: path("file"),
    keyFile: true,
  }),
} satisfies Table;

export type PollSettings = Values<typeof table>;
