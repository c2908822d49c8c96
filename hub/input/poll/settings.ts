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
    help: "Seconds a machine may take to answer; its agent gives up on a hung driver after 5.",
    reader: number("seconds", 0.1, 60),
  }),
  concurrency: row({
    name: "poll.concurrency",
    env: "GOHM_POLL_CONCURRENCY",
    default: 256,
    help: "Polls under way at the same time; machines that do not answer take up half of them at most.",
    reader: number("polls", 2, 10_000),
  }),
  token: row({
    name: "poll.token",
    env: "GOHM_POLL_TOKEN",
    default: "",
    help: "Shared secret shown to every machine (GOHM_TOKEN there); GOHM_POLL_TOKEN_FILE names a file that holds it.",
    reader: text("a text without line breaks", (value) => !/[\r\n]/.test(value)),
    secret: true,
  }),
  ca: row({
    name: "poll.ca",
    env: "GOHM_POLL_CA",
    default: "",
    help: "Authorities (PEM file) that vouch for the certificates of tls:// machines; the system's own when empty.",
    reader: path("file"),
  }),
  cert: row({
    name: "poll.cert",
    env: "GOHM_POLL_CERT",
    default: "",
    help: "Certificate (PEM file) that this hub shows to tls:// machines that ask for one.",
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
