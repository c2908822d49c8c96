import { expect, test } from "vitest";
import { machineOf } from "../test/machine.ts";
import {
  AgentNotFound,
  catchesSignal,
  findAgent,
  findOnlyAgent,
  parseListeners,
  readersOf,
  requestedPause,
} from "./pause.ts";

const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0277 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1001 1 0000000000000000 100 0 0 10 0
   1: 00000000:23F3 00000000:0000 0A 00000000:00000000 00:00000000 00000000   998        0 1002 1 0000000000000000 100 0 0 10 0
   2: 0B00140A:23F3 0500140A:D4F2 01 00000000:00000000 02:00000A2C 00000000   998        0 1003 2 0000000000000000 20 4 30 10 -1
`;
const tcp6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 2001 1 0000000000000000 100 0 0 10 0
`;

test("sockets that listen are found by their port, those of connections are not", () => {
  expect(parseListeners(tcp, 9203)).toEqual([{ inode: "1002", uid: 998 }]);
  expect(parseListeners(tcp6, 80)).toEqual([{ inode: "2001", uid: 1000 }]);
  expect(parseListeners(tcp, 80)).toEqual([]);
  expect(parseListeners("garbage\n", 80)).toEqual([]);
});

test("a process catches a signal when the mask of its status says so", () => {
  expect(catchesSignal("SigCgt:\t0000000000000800\n", 12)).toBe(true);
  expect(catchesSignal("SigCgt:\t0000000000000400\n", 12)).toBe(false);
  expect(catchesSignal("SigIgn:\t0000000000000800\n", 12)).toBe(false);
});

const agent = {
  "/proc/net/tcp": tcp,
  "/proc/net/tcp6": tcp6,
  "/proc/4711/cmdline": "node\0/opt/hmonitor\0--addr\x000.0.0.0:9203\0",
  "/proc/4711/status": "Uid:\t998\t998\t998\t998\nSigCgt:\t0000000188004a02\n",
};
const lists = { "/proc": ["1", "4711", "net"], "/proc/4711/fd": ["0", "19"] };
const links: Record<string, string> = { "/proc/4711/fd/0": "/dev/null", "/proc/4711/fd/19": "socket:[1002]" };
const link = (path: string): string | undefined => links[path];
const able = { ...agent, "/proc/4711/status": "Uid:\t998\t998\t998\t998\nSigCgt:\t0000000000004a00\n" };

test("the agent is the process that listens on its port", () => {
  expect(findAgent(machineOf({ files: able, lists, link }), 9203, "hmonitor")).toBe(4711);
});

test.each([
  ["no one listens", { ...agent, "/proc/net/tcp": "" }, link, "Nothing listens on port 9203: no hmonitor runs here"],
  ["it is somebody else's", able, () => undefined, "belongs to user 998: run this as that user, or as root"],
  [
    "it is another program",
    { ...able, "/proc/4711/cmdline": "/usr/bin/other\0" },
    link,
    "Process 4711 listens on port 9203, but is no hmonitor that can be paused",
  ],
  [
    "the signal would end it",
    { ...able, "/proc/4711/status": "SigCgt:\t0000000000000400\n" },
    link,
    "is no hmonitor that",
  ],
])("nothing is signalled when %s", (_, files, links, message) => {
  const find = (): number => findAgent(machineOf({ files, lists, link: links }), 9203, "hmonitor");
  expect(find).toThrow(AgentNotFound);
  expect(find).toThrow(message);
});

/** Processes by number: command line, and whether it catches SIGUSR2; all of user 998. */
const running = (...lines: string[]) =>
  machineOf({
    files: Object.fromEntries(
      lines.flatMap((line, i) => [
        [`/proc/${i + 50}/cmdline`, `${line.replace(/^-/, "").split(" ").join("\0")}\0`],
        [
          `/proc/${i + 50}/status`,
          `Uid:\t998\t998\t998\t998\nSigCgt:\t000000000000${line.startsWith("-") ? "4200" : "4a00"}\n`,
        ],
      ]),
    ),
    lists: { "/proc": lines.map((_, i) => String(i + 50)) },
  });

test.each([
  ["one that reports", "node /opt/hmonitor --server http://hub.lab"],
  ["one with flags of Node", "/usr/local/bin/node --max-old-space-size=64 /opt/hmonitor serve"],
  ["a single executable", "/usr/local/bin/hmonitor --addr 0.0.0.0:9300"],
])("without a port, the only agent is found: %s", (_, line) => {
  const others = [
    "node --lite-mode /opt/hmonitor nvml-reader",
    "node /opt/hmonitor pause-gpu",
    "node /opt/hmonitor info",
    "node /opt/hmonitor --no-such-option",
    "sudo /opt/hmonitor --server http://hub.lab",
    "vim /opt/hmonitor",
    "node /opt/other /opt/hmonitor",
    "-node /opt/hmonitor --server http://hub.lab",
  ];
  expect(findOnlyAgent(running(...others), "hmonitor", 998)).toBeUndefined();
  for (const uid of [0, 998]) expect(findOnlyAgent(running(...others, line), "hmonitor", uid)).toBe(58);
});

test("without a port, nothing is signalled that is one of several, or somebody else's", () => {
  const line = "/opt/hmonitor --server http://hub.lab";
  expect(() => findOnlyAgent(running(line, line), "hmonitor", 0)).toThrow(
    "Several hmonitor run here: name the port of one with --addr, or send SIGUSR2 to one of 50, 51",
  );
  expect(() => findOnlyAgent(running(line), "hmonitor", 1000)).toThrow("(process 50) belongs to user 998: run this as");
});

const asking = (words: string, uid: number): number | undefined =>
  requestedPause(
    machineOf({
      files: {
        "/proc/77/cmdline": `${words.split(" ").join("\0")}\0`,
        "/proc/77/status": `Uid:\t${uid}\t${uid}\t${uid}\t${uid}\n`,
      },
      lists: { "/proc": ["1", "77", "self"] },
    }),
    "hmonitor",
    998,
  );

test.each([
  ["node /opt/hmonitor pause-gpu --for 300", 300],
  ["/opt/hmonitor pause-gpu --for=0", 0],
  ["/opt/hmonitor --addr 127.0.0.1:1 pause-gpu", 60],
  ["sudo ./hmonitor pause-gpu --for 5", 5],
  ["node /opt/hmonitor pause-gpu --for soon", undefined],
  ["node /opt/hmonitor capture pause-gpu", undefined],
  ["node /opt/hmonitor", undefined],
  ["grep pause-gpu --for 300", undefined],
])("%s asks for %s seconds", (words, seconds) => {
  expect(asking(words, 998)).toBe(seconds);
});

test("the agent's own user and root may say for how long, others may not", () => {
  const words = "node /opt/hmonitor pause-gpu --for 300";
  expect([asking(words, 998), asking(words, 0), asking(words, 1000)]).toEqual([300, 300, undefined]);
});

test("the driver's readers are children of the agent that run its hidden command", () => {
  const files = {
    "/proc/50/stat": "50 (node) S 4711 1 1",
    "/proc/50/cmdline": "node\0/opt/hmonitor\0nvml-reader\0",
    "/proc/51/stat": "51 (node) S 4712 1 1",
    "/proc/51/cmdline": "node\0/opt/hmonitor\0nvml-reader\0",
    "/proc/52/stat": "52 (getent) S 4711 1 1",
    "/proc/52/cmdline": "getent\0passwd\0",
    "/proc/53/stat": "53 (node) Z 4711 1 1",
    "/proc/53/cmdline": "",
  };
  const machine = machineOf({ files, lists: { "/proc": ["50", "51", "52", "53"] } });
  expect(readersOf(machine, 4711, "nvml-reader")).toEqual([50]);
});
