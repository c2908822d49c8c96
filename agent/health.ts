import { get } from "node:http";
import { connect } from "node:http2";
import { isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import { hostPort } from "../proto/setting.ts";
import { parseAllow } from "./allow.ts";
import { type Given, listens, type Settings, wantsExporter } from "./settings.ts";
import { encrypted } from "./tls.ts";
import { exporterAt } from "./toml.ts";

/** The command that tells whether the agent of these settings is well: for probes, which look at the exit status. */
export const command = "health";

/** An agent that is busy with a driver answers all the same; one that takes longer than this (ms) is stuck. */
const patience = 5000;

/** The agent does not answer, and why. */
export class Unwell extends Error {
  override name = "Unwell";
}

interface Door {
  readonly host: string;
  readonly port: number;
  /** What it speaks: the exporter's HTTP, or gRPC's HTTP/2 without and with TLS. */
  readonly speaks: "http" | "http2" | "tls";
}

/** What is asked of the exporter: whether the program is at work, or whether it has read the machine, too. */
type Page = "/healthz" | "/ready";

/** Where the agent that was started with the same settings answers. @throws Unwell */
function doorOf(settings: Settings, given: Given): Door {
  const at = (addr: string, speaks: Door["speaks"]): Door => {
    const { host, port } = hostPort(addr);
    if (port === 0) throw new Unwell(`${addr} lets the system choose the port: nobody can know it`);
    // "Any address" is one to listen on, not to connect to.
    return { host: host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host, port, speaks };
  };
  if (wantsExporter(settings, given.env)) return at(exporterAt(settings, given.env).addr, "http");
  if (!listens(settings, given))
    throw new Unwell("An agent that only reports answers nowhere: there is nothing to ask");
  const { addr, tlsCert: cert, tlsKey: key, tlsClientCa: clientCa } = settings;
  return at(addr, encrypted({ cert, key, clientCa }) ? "tls" : "http2");
}

/** A connection that is reset while it is being made may end without any error. */
const cutOff = (): Error => Object.assign(new Error("it cut the connection off"), { code: "ECONNRESET" });

/** Connects, and calls back when something was answered that only a program at work answers, perhaps several times; returns how to hang up. */
function ask({ host, port, speaks }: Door, page: Page, answered: (error?: Error) => void): () => void {
  const authority = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  switch (speaks) {
    case "http": {
      const request = get(`http://${authority}${page}`, { agent: false }, ({ statusCode }) =>
        answered(statusCode === 200 ? undefined : new Error(`it answers ${statusCode}`)),
      ).on("error", answered);
      return () => request.destroy();
    }
    case "http2": {
      // Its SETTINGS come first on each connection.
      const session = connect(`http://${authority}`)
        .on("error", answered)
        .once("close", () => answered(cutOff()))
        .once("remoteSettings", () => answered());
      return () => session.destroy();
    }
    case "tls": {
      // Not who it is, nor whether it would let us ask more, but whether it is at work.
      const options = { host, port, rejectUnauthorized: false, ALPNProtocols: ["h2"] };
      const socket = connectTls(options, () => answered())
        .on("error", answered)
        .once("close", () => answered(cutOff()));
      return () => socket.destroy();
    }
    default:
      return speaks satisfies never;
  }
}

/**
 * Asks the agent of this machine that was started with the same settings whether it is at work. No reading is made.
 * @param ready Asks an agent with an exporter whether it has read the machine, too.
 * @returns What it did, in words.
 * @throws Unwell @throws SettingError
 */
export async function health(settings: Settings, given: Given, ready = false): Promise<string> {
  const door = doorOf(settings, given);
  const { host, port } = door;
  const where = `${host}:${port}`;
  // It sees us come from the address that we connect to. An agent that is stuck cuts nobody off.
  const refusing = isIP(host) !== 0 && !parseAllow(settings.allow).allows(host);
  let hangUp = (): void => undefined;
  const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    const timer = setTimeout(() => resolve(new Error(`no answer in ${patience / 1000} s`)), patience);
    hangUp = ask(door, ready ? "/ready" : "/healthz", (failure) => {
      clearTimeout(timer);
      resolve(failure);
    });
  });
  hangUp();
  if (error === undefined) return `hmonitor answers on ${where}`;
  if (refusing && error.code === "ECONNRESET") {
    return `hmonitor cuts ${host} off on port ${port}, as GOHM_ALLOW has it: it is at work`;
  }
  throw new Unwell(`hmonitor does not answer on ${where}: ${error.message || error.code}`);
}
