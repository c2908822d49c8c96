// Starts the built hub with its own settings, data folder and ports, and reads its feed and history as clients do.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { apply } from "../proto/delta.ts";
import { type Event, EventSchema, type Host } from "../proto/gen/feed_pb.js";
import { type HistReq, HistReqSchema, type HistResp, HistRespSchema } from "../proto/gen/history_pb.js";
import { type Program, start } from "./program.ts";

/** A temporary folder with the settings and data of one hub, kept over restarts. */
export interface HubFolder {
  readonly folder: string;
  readonly settings: string;
  readonly data: string;
  write(settings: object | string): void;
  remove(): void;
}

export function hubFolder(): HubFolder {
  const folder = mkdtempSync(join(tmpdir(), "gohm-hub-"));
  const settings = join(folder, "settings.json");
  return {
    folder,
    settings,
    data: join(folder, "data"),
    write: (held) => writeFileSync(settings, typeof held === "string" ? held : JSON.stringify(held)),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export interface RunningHub extends Program {
  /** "http://127.0.0.1:…", or https if it has a certificate. */
  readonly url: string;
  /** "127.0.0.1:…" of the gRPC service. */
  readonly history: string;
}

/** @param file of the hub, relative to dist/ */
export function launch(at: HubFolder, env: Readonly<Record<string, string>> = {}, file = "gohm.mjs"): Program {
  return start(file, [], {
    GOHM_SETTINGS: at.settings,
    GOHM_DATA: at.data,
    GOHM_HUB_ADDR: "127.0.0.1:0",
    GOHM_HISTORY_ADDR: "127.0.0.1:0",
    ...env,
  });
}

export async function startHub(
  at: HubFolder,
  env: Readonly<Record<string, string>> = {},
  file?: string,
): Promise<RunningHub> {
  const program = launch(at, env, file);
  const [, url = "", history = ""] = await program.line(/hub ready: (https?:\/\/\S+) .*gRPC on (\S+)/);
  return { ...program, url, history };
}

/** A client of the feed, as the page is: the hosts after each event. */
export interface Viewer {
  readonly events: Event[];
  readonly hosts: ReadonlyMap<string, Host>;
  close(): void;
}

export function view(url: string): Viewer {
  const events: Event[] = [];
  const byNumber = new Map<number, Host>();
  const hosts = new Map<string, Host>();
  const take = (event: Event): void => {
    events.push(event);
    if (event.whole) byNumber.clear();
    for (const host of event.hosts) byNumber.set(host.number, host);
    for (const delta of event.deltas) {
      const host = byNumber.get(delta.number);
      if (host?.info === undefined) throw new Error(`a delta for host ${delta.number}, which is not known`);
      apply(host.info, delta);
      host.seen = delta.seen;
    }
    for (const number of event.removed) byNumber.delete(number);
    hosts.clear();
    for (const host of byNumber.values()) hosts.set(host.name, host);
  };
  let text = "";
  const request = get(`${url}/feed`, (response) => {
    response.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const [, data] = /^data: (.*)$/m.exec(text.slice(0, end)) ?? [];
        text = text.slice(end + 2);
        if (data !== undefined) take(fromBinary(EventSchema, Buffer.from(data, "base64")));
      }
    });
    response.on("error", () => {}); // the hub was stopped
  });
  request.on("error", () => {}); // the hub was stopped
  return { events, hosts, close: () => request.destroy() };
}

/** Calls History.GetHistory. @param ca authority of an encrypted port, PEM @throws ServiceError */
export function getHistory(
  address: string,
  asked: { id: string; type: string; timestamp?: bigint },
  ca?: Buffer,
): Promise<HistResp> {
  const { createInsecure, createSsl } = grpc.credentials;
  const client = new grpc.Client(address, ca === undefined ? createInsecure() : createSsl(ca));
  const request = { $typeName: "gpu.HistReq", timestamp: 0n, ...asked } as HistReq;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      "/gpu.History/GetHistory",
      (held: HistReq) => Buffer.from(toBinary(HistReqSchema, held)),
      (held: Buffer) => fromBinary(HistRespSchema, held),
      request,
      (error: grpc.ServiceError | null, answer?: HistResp) => {
        client.close();
        if (error) reject(error);
        else if (answer) resolve(answer);
      },
    );
  });
}
