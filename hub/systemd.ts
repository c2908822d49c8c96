// What the hub tells systemd (sd_notify(3)): that it is ready, that it still works, and that it stops.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const unixFamily = 1;
/** SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK: a service manager that does not read must not stop the hub. */
const socketType = 2 | 0o2000000 | 0o4000;
/** MSG_NOSIGNAL */
const noSignal = 0x4000;
/** Most bytes of a Unix socket's path: the kernel's sun_path, without the zero that ends it. */
const longestPath = 107;

/** Interval of requests for more time to start, and the time that each asks for. */
const extendEveryMs = 10_000;
const extendUsec = 60_000_000;

/** Sends one message. @throws Error if it cannot be sent */
export type Send = (message: string) => void;

/** Tells a service manager about this process; without one, nothing happens. */
export interface ServiceManager {
  /** The hub serves. From now on the event loop must come round within WATCHDOG_USEC. @param status shown by systemctl status */
  ready(status: string): void;
  stopping(): void;
}

export interface ServiceOptions {
  /** The environment; the variables of the service manager are removed, so that no child inherits them. */
  readonly env: NodeJS.ProcessEnv;
  readonly pid: number;
  readonly log: { warn(line: string): void };
  /** Opens the socket of the service manager; for tests. @throws Error if it cannot be opened */
  readonly open?: (address: string) => Send;
}

/**
 * Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. While the hub starts, it asks for more time: an old history may take
 * minutes to be brought up to date.
 */
export function serviceManager({ env, pid, log, open = openSocket }: ServiceOptions): ServiceManager {
  const { NOTIFY_SOCKET: address = "", WATCHDOG_USEC, WATCHDOG_PID } = env;
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[name];
  if (address === "") return { ready() {}, stopping() {} };
  const send = sender(address, { log, open });
  const extend = setInterval(() => send(`EXTEND_TIMEOUT_USEC=${extendUsec}`), extendEveryMs).unref();
  const usec = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === pid ? Number(WATCHDOG_USEC) : Number.NaN;
  let beat: NodeJS.Timeout | undefined;
  return {
    ready(status) {
      clearInterval(extend);
      send(`READY=1\nSTATUS=${status.replaceAll(/\s+/g, " ")}`);
      // An event loop that is stuck does not run this, which is how systemd finds out.
      if (usec >= 1000) beat = setInterval(() => send("WATCHDOG=1"), usec / 2000).unref();
    },
    stopping() {
      clearInterval(extend);
      clearInterval(beat);
      send("STOPPING=1");
    },
  };
}

/** A function that sends, and says once in the log why it cannot. */
function sender(address: string, { log, open }: Required<Pick<ServiceOptions, "log" | "open">>): Send {
  let write: Send | undefined;
  let failed = false;
  return (message) => {
    try {
      write ??= open(address);
      write(message);
    } catch (error) {
      if (!failed) log.warn(`systemd cannot be told what this hub does (NOTIFY_SOCKET): ${(error as Error).message}`);
      failed = true;
    }
  };
}

/** @throws Error for an address that is none, or if a socket cannot be opened */
function openSocket(address: string): Send {
  const to = socketAddress(address);
  try {
    return bySystemCall(to);
  } catch {
    // Without koffi, which is not there for every processor.
    return byHelper(address);
  }
}

/** A sockaddr_un. A path ends with a zero byte; "@name" is the abstract socket of that name, which begins with one. */
export function socketAddress(address: string): Buffer {
  const name = Buffer.from(address);
  if (!/^[/@]./s.test(address) || name.length > longestPath) {
    throw new Error(`the address must be a path or begin with "@", and have at most ${longestPath} bytes: ${address}`);
  }
  const family = Buffer.alloc(2);
  family.writeUInt16LE(unixFamily);
  if (address.startsWith("@")) {
    name[0] = 0;
    return Buffer.concat([family, name]);
  }
  return Buffer.concat([family, name, Buffer.alloc(1)]);
}

/** The part of koffi's native exports in use here. */
interface Koffi {
  load(path: null): { func(symbol: string, result: string, args: string[]): (...args: unknown[]) => number };
  errno(): number;
}

/** A datagram from this process costs some microseconds, and carries its own number, which systemd checks. */
function bySystemCall(to: Buffer): Send {
  const { arch } = process;
  const file = `../node_modules/@koromix/koffi-linux-${arch}/linux_${arch}/koffi.node`;
  const module: { exports: unknown } = { exports: {} };
  process.dlopen(module, fileURLToPath(new URL(file, import.meta.url)));
  const koffi = module.exports as Koffi;
  const library = koffi.load(null);
  const socket = library.func("socket", "int", ["int", "int", "int"])(unixFamily, socketType, 0);
  if (socket < 0) throw new Error(`no socket: errno ${koffi.errno()}`);
  const sendto = library.func("sendto", "long", ["int", "void *", "size_t", "int", "void *", "uint32_t"]);
  return (message) => {
    const bytes = Buffer.from(message);
    if (sendto(socket, bytes, bytes.length, noSignal, to, to.length) < 0) {
      throw new Error(`a message was not taken: errno ${koffi.errno()}`);
    }
  };
}

/** systemd-notify, whose messages systemd takes as well (NotifyAccess=all). A beat stops the event loop for some milliseconds. */
function byHelper(address: string): Send {
  return (message) => {
    const env = { PATH: "/usr/bin:/bin", NOTIFY_SOCKET: address };
    spawn("systemd-notify", ["--no-block", ...message.split("\n")], { env, stdio: "ignore" }).on("error", () => {});
  };
}
