import { number, oneOf, row, type Table, text, type Values } from "../../program/setting.ts";

/** Who may register: everybody, everybody until an administrator approves, or only those that know a secret. */
const modes = ["open", "approval", "secret"] as const;

export const table = {
  register: row<(typeof modes)[number]>({
    name: "push.register",
    env: "GOHM_PUSH_REGISTER",
    default: "approval",
    help: 'Who may register to send reports: every machine ("open"); every machine, but an administrator must approve it before it counts ("approval"); only machines that send the secret or an enrolment token ("secret"). A machine with an enrolment token needs no approval.',
    reader: oneOf(...modes),
  }),
  secret: row({
    name: "push.secret",
    env: "GOHM_PUSH_SECRET",
    default: "",
    help: "Secret that machines must send when they register (--secret there), unless they have an enrolment token; GOHM_PUSH_SECRET_FILE names a file that contains it. Empty: no secret.",
    reader: text("a text without line breaks", (value) => !/[\r\n]/.test(value)),
    secret: true,
  }),
  devices: row({
    name: "push.devices",
    env: "GOHM_PUSH_DEVICES",
    default: 256,
    help: "Most GPUs, filesystems and network interfaces of one machine that sends reports, counted over a day. Further ones are left out, and administrators see that.",
    reader: number("devices", 16, 20_000),
  }),
} satisfies Table;

export type PushSettings = Values<typeof table>;
