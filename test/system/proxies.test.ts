// A hub behind Debian's nginx and Caddy with TLS, as docs/deploy.md configures them and as they come: what machines, programs and browsers get.
import type { IncomingHttpHeaders } from "node:http";
import { request } from "node:https";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, describe, expect, test } from "vitest";
import { HostInfoSchema } from "../../proto/gen/host_pb.js";
import { machine } from "../host.ts";
import { sampleType } from "../hostile.ts";
import { type LocalHub, localHub } from "../local.ts";
import { freePort } from "../prometheus.ts";
import {
  adapted,
  missingProxy,
  type ProxyName,
  type RunningProxy,
  recipes,
  startProxy,
  writeCertificate,
} from "../proxy.ts";

const password = "correct horse battery";
/** Address of everybody here but the proxy. */
const client = "127.0.0.2";

let hub: LocalHub;
let proxy: RunningProxy | undefined;
let port = 0;

afterEach(async () => {
  await proxy?.stop();
  await hub?.close();
  proxy = undefined;
});

const [nginxWhole = "", nginxBelow = ""] = recipes("nginx");
const [caddyWhole = "", caddyBelow = ""] = recipes("caddyfile");

/** An nginx configuration of the documents, at a port of 127.0.0.1. */
const nginx = (recipe: string, name: string) => (folder: string) =>
  adapted(recipe, {
    "443 ssl": `127.0.0.1:${port} ssl`,
    [`/etc/ssl/${name}.pem`]: `${folder}/cert.pem`,
    [`/etc/ssl/${name}.key`]: `${folder}/key.pem`,
    "http://127.0.0.1:5000": hub.url,
  });

const caddy = (recipe: string, name: string) => () =>
  adapted(recipe, { [`${name} {`]: `https://localhost:${port} {`, "127.0.0.1:5000": new URL(hub.url).host });

/** A location without anything but the hub's address, as people try it first. */
const bare = (at: string, target: string) => (folder: string) =>
  `server {
  listen 127.0.0.1:${port} ssl; ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;
  location ${at} { proxy_pass ${hub.url}${target}; }
}`;

interface Setup {
  readonly of: ProxyName;
  /** The path of hub.url. */
  readonly path: string;
  readonly configure: (folder: string) => string;
  /** Name and path of the session's cookie. */
  readonly cookie: readonly [string, string];
  /** False if it does not say for whom it forwards. */
  readonly says?: false;
}

const setups: Readonly<Record<string, Setup>> = {
  "nginx at a name": { of: "nginx", path: "", configure: nginx(nginxWhole, "gohm.lab"), cookie: ["__Host-gohm", "/"] },
  "nginx below a path": {
    ...{ of: "nginx", path: "/gohm", configure: nginx(nginxBelow, "lab.example") },
    cookie: ["__Secure-gohm", "/gohm"],
  },
  "nginx, which cuts the path off": {
    ...{ of: "nginx", path: "/gohm", cookie: ["__Secure-gohm", "/gohm"] },
    configure: (folder) => nginx(nginxBelow, "lab.example")(folder).replace(hub.url, `${hub.url}/`),
  },
  "nginx without headers, below a path": {
    ...{ of: "nginx", path: "/gohm", cookie: ["gohm_session_http", "/gohm"], says: false },
    configure: (folder) => bare("/gohm/", "/")(folder),
  },
  "Caddy at a name": { of: "caddy", path: "", configure: caddy(caddyWhole, "gohm.lab"), cookie: ["__Host-gohm", "/"] },
  "Caddy below a path": {
    ...{ of: "caddy", path: "/gohm", configure: caddy(caddyBelow, "lab.example") },
    cookie: ["__Secure-gohm", "/gohm"],
  },
};

interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object | Uint8Array;
  /** Ends the answer once so much of it has come. */
  readonly until?: (text: string) => boolean;
}

function send(method: string, path: string, { headers = {}, body, until }: Sent = {}): Promise<Got> {
  const sent = body === undefined || body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body));
  const type = { "content-type": "application/json", ...(sent && { "content-length": String(sent.length) }) };
  return new Promise((resolve, reject) => {
    // A client that is no proxy of the hub.
    const connection = { host: "127.0.0.1", port, localAddress: client, servername: "localhost", agent: false };
    const all = { host: `localhost:${port}`, ...(sent && type), ...headers };
    const asked = request({ ...connection, rejectUnauthorized: false, method, path, headers: all }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
        if (until?.(text)) asked.destroy();
      });
      answer.on("error", () => {});
      answer.on("close", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }));
    });
    asked.on("error", reject).end(sent);
  });
}

describe.each(Object.entries(setups))("behind %s", (_, { of, path, configure, cookie: [name, place], says = true }) => {
  test.skipIf(missingProxy(of) !== undefined)("people, machines and programs reach the hub", async () => {
    port = await freePort();
    const origin = `https://localhost:${port}`;
    hub = await localHub({ hub: { url: origin + path, proxies: "127.0.0.1" }, push: { register: "open" } });
    proxy = await startProxy(of, port, (folder) => {
      writeCertificate(folder);
      return configure(folder);
    });
    expect((await send("GET", `${path}/api/health`)).status).toBe(200);
    // As nginx and Caddy add it, or the hub.
    if (path !== "") {
      const { status, headers } = await send("GET", path);
      expect([301, 308]).toContain(status);
      expect(new URL(headers.location ?? "", origin + path).href).toBe(`${origin}${path}/`);
    }
    const evil = await send("GET", `${path}/api/health`, { headers: { host: "evil.example" } });
    // What nginx calls the hub by itself is all that the hub knows.
    expect(evil.status).toBe(says ? (of === "caddy" ? 200 : 421) : 200);
    if (of === "caddy") expect(evil.body).toBe("");

    // A machine registers and reports, with what it says of itself about its address.
    const forged = {
      "x-forwarded-for": "10.66.66.66",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "evil.example",
    };
    const registered = await send("POST", `${path}/api/monitoring/register`, {
      headers: says ? forged : {},
      body: { hostname: "pushed", capabilities: { gpus: [], disks: [], nics: [] } },
    });
    expect([registered.status, hub.node("pushed").origin]).toEqual([200, says ? client : "127.0.0.1"]);
    const { token } = JSON.parse(registered.body);
    const report = toBinary(HostInfoSchema, create(HostInfoSchema, { ...machine(Date.now()), hostname: "pushed" }));
    const headers = { authorization: `Bearer ${token}`, "content-type": sampleType };
    expect((await send("POST", `${path}/api/monitoring/report`, { headers, body: report })).status).toBe(200);
    expect(hub.live.host("pushed")?.info?.gpus).toHaveLength(2);

    // The first event comes at once, and the next one when there is news, although the answer does not end.
    let events = 0;
    const feed = await send("GET", `${path}/feed`, {
      until(text) {
        const count = text.split("\n\n").length - 1;
        if (count === 1 && events === 0) hub.live.expect("another", "127.0.0.1:1");
        events = count;
        return count > 1;
      },
    });
    expect([feed.headers["content-type"], events]).toEqual([expect.stringMatching(/^text\/event-stream/), 2]);

    // What a client of the logger sends after an outage is larger than nginx takes by itself.
    if (says) {
      const record = { timestamp: new Date().toISOString(), client_name: "lab1", gpu_index: 0, note: "x".repeat(2e6) };
      expect((await send("POST", `${path}/api/receive-data`, { body: [record] })).status).not.toBe(413);
    }

    const made = await send("POST", `${path}/api/v1/admin/accounts`, {
      headers: { authorization: hub.authorization },
      body: { name: "alice", role: "administrator" },
    });
    const { link } = JSON.parse(made.body);
    expect(link.url).toBe(`${origin}${path}/${link.path.replace(/^\//, "")}`);
    const [, secret] = /#\/link\/(\S+)$/.exec(link.path) ?? [];
    const follow = (headers: Readonly<Record<string, string>>) =>
      send("POST", `${path}/api/v1/session/link`, { headers, body: { token: secret, password } });
    expect((await follow({ origin: "https://evil.example" })).status).toBe(403);
    const followed = await follow({ origin });
    expect(followed.status).toBe(200);
    const [set = ""] = followed.headers["set-cookie"] ?? [];
    expect(set).toMatch(new RegExp(`^${name}=[\\w-]{43}; Max-Age=\\d+; Path=${place}; HttpOnly; SameSite=Lax`));
    const cookie = set.split(";")[0] ?? "";
    const me = JSON.parse((await send("GET", `${path}/api/v1/me`, { headers: { cookie } })).body);
    expect(me).toMatchObject({ name: "alice", session: true, url: origin + path });
  });
});
