import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { serviceManager, socketAddress } from "./systemd.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A service manager with a played socket, and what it got. */
function managed(env: NodeJS.ProcessEnv, open?: (address: string) => (message: string) => void) {
  const messages: string[] = [];
  const lines: string[] = [];
  const log = { warn: (line: string) => void lines.push(line) };
  const written = (): ((message: string) => void) => (message) => void messages.push(message);
  return { manager: serviceManager({ env, pid: 77, log, open: open ?? written }), messages, lines, env };
}

const address = "/run/systemd/notify";

test("systemd hears that the hub needs time, serves, still works and stops, in this order", () => {
  const { manager, messages } = managed({ NOTIFY_SOCKET: address, WATCHDOG_USEC: "30000000", WATCHDOG_PID: "77" });
  expect(messages).toEqual([]);
  vi.advanceTimersByTime(20_000);
  manager.ready("serving http://127.0.0.1:5000\nREADY=1");
  // Twice within the time that systemd waits.
  vi.advanceTimersByTime(30_000);
  manager.stopping();
  vi.advanceTimersByTime(60_000);
  expect(messages).toEqual([
    "EXTEND_TIMEOUT_USEC=60000000",
    "EXTEND_TIMEOUT_USEC=60000000",
    "READY=1\nSTATUS=serving http://127.0.0.1:5000 READY=1",
    "WATCHDOG=1",
    "WATCHDOG=1",
    "STOPPING=1",
  ]);
});

test.each([
  ["of another process", { WATCHDOG_USEC: "30000000", WATCHDOG_PID: "78" }],
  ["that is not there", {}],
  ["of no time", { WATCHDOG_USEC: "0" }],
  ["that is no number", { WATCHDOG_USEC: "soon" }],
])("there are no beats for a watchdog %s", (_, env) => {
  const { manager, messages } = managed({ NOTIFY_SOCKET: address, ...env });
  manager.ready("serving");
  vi.advanceTimersByTime(600_000);
  expect(messages).toEqual(["READY=1\nSTATUS=serving"]);
});

test("children do not inherit the variables of systemd", () => {
  const { env } = managed({ NOTIFY_SOCKET: address, WATCHDOG_USEC: "1", WATCHDOG_PID: "77", PATH: "/bin" });
  expect(env).toEqual({ PATH: "/bin" });
});

test("without systemd nothing is opened or sent", () => {
  const open = vi.fn();
  const { manager } = managed({ WATCHDOG_USEC: "30000000" }, open);
  manager.ready("serving");
  vi.advanceTimersByTime(600_000);
  manager.stopping();
  expect([open.mock.calls, vi.getTimerCount()]).toEqual([[], 0]);
});

test("a socket that cannot be used is said once, and the hub goes on", () => {
  const { manager, lines } = managed({ NOTIFY_SOCKET: address, WATCHDOG_USEC: "2000000" }, () => {
    throw new Error("errno 111");
  });
  manager.ready("serving");
  vi.advanceTimersByTime(60_000);
  manager.stopping();
  expect(lines).toEqual(["systemd cannot be told what this hub does (NOTIFY_SOCKET): errno 111"]);
});

test("the address is a path or the name of an abstract socket", () => {
  expect(socketAddress("/a")).toEqual(Buffer.from([1, 0, 0x2f, 0x61, 0]));
  expect(socketAddress("@a")).toEqual(Buffer.from([1, 0, 0, 0x61]));
  for (const wrong of ["", "/", "@", "a/b", "vsock:2:1", `/${"x".repeat(107)}`]) {
    expect(() => socketAddress(wrong), wrong).toThrow("at most 107 bytes");
  }
});
