// A hub with a certificate: what each client gets on its two ports, encrypted or not.
import { readFileSync, renameSync } from "node:fs";
import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { connect, type PeerCertificate, type TLSSocket } from "node:tls";
import { create, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { HistReqSchema } from "../../proto/gen/history_pb.js";
import { startAgent } from "../agent.ts";
import { CertificateFolder, certifies, type MadeCertificate } from "../certificate.ts";
import { addAdministrator } from "../door.ts";
import { type HubFolder, hubFolder, launch, type RunningHub, startHub } from "../hub.ts";
import { runGohm } from "./gohm.ts";

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

const password = "correct horse battery";

/** What gohm prints. */
function said(args: readonly string[], env: Readonly<Record<string, string>>): string {
  const { stdout, stderr } = runGohm(args, env);
  return stdout + stderr;
}

interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly from?: string;
}

describe.skipIf(!certifies)("TLS (openssl)", () => {
  let at: HubFolder;
  let certificates: CertificateFolder;
  let root: MadeCertificate;
  let own: MadeCertificate;
  let hub: RunningHub;
  let token = "";
  /** "127.0.0.1:…" of the page. */
  let place = "";

  beforeAll(async () => {
    at = hubFolder();
    at.write({ servers: {} });
    await addAdministrator(at, "ada", password);
    certificates = new CertificateFolder();
    root = certificates.make({ ca: true });
    own = certificates.make({ issuer: root, names: ["IP:127.0.0.1"] });
    hub = await startHub(at, {
      GOHM_HUB_TLS_CERT: own.cert,
      GOHM_HUB_TLS_KEY: own.key,
      GOHM_PUSH_REGISTER: "open",
      GOHM_PUSH_LOGGER: "127.0.0.0/8",
    });
    place = new URL(hub.url).host;
    token = said(["token", "create", "test", "--scope", "admin"], { GOHM_DATA: at.data }).split("\n")[0] ?? "";
  });

  afterAll(async () => {
    await hub?.stop();
    at?.remove();
    certificates?.remove();
  });

  /** Asks over an encrypted connection that is checked, or over a plain one. */
  function ask(
    scheme: "https" | "http",
    path: string,
    { method = "GET", headers = {}, body, from }: Asked = {},
  ): Promise<Answer> {
    const send = scheme === "https" ? requestHttps : requestHttp;
    const more = scheme === "https" ? { ca: readFileSync(root.cert) } : {};
    return new Promise((resolve, reject) => {
      const sent = send(
        `${scheme}://${place}${path}`,
        { method, headers, agent: false, ...more, ...(from && { localAddress: from }) },
        async (response) => {
          const text = Buffer.concat((await response.toArray()) as Buffer[]).toString();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        },
      );
      sent.on("error", reject).end(body);
    });
  }

  const json = { "content-type": "application/json" };

  test("the hub prints its https address, and answers page, live feed and REST there", async () => {
    expect(hub.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(await ask("https", "/")).toMatchObject({
      status: 200,
      headers: { "content-type": "text/html; charset=utf-8" },
    });
    expect((await ask("https", "/api/v1/gpus")).status).toBe(200);
    expect((await ask("https", "/")).headers["strict-transport-security"]).toBeUndefined();
  });

  test("over http, the redirection keeps the name and port by which the client knows the hub: others may not lead to it", async () => {
    for (const host of ["gpus:8443", "10.9.8.7", "[fd00::7]:5000"]) {
      const { headers } = await ask("http", "/", { headers: { host } });
      expect(headers.location).toBe(`https://${host}/`);
    }
  });

  test.each(["/", "/host/a%2Fb?x=1", "/favicon.svg", "/docs", "/redoc"])(
    "over http, the page %s is redirected to https",
    async (path) => {
      for (const method of ["GET", "HEAD"]) {
        expect(await ask("http", path, { method })).toMatchObject({
          status: 308,
          headers: { location: `https://${place}${path}`, "cache-control": "no-store" },
        });
      }
    },
  );

  test.each([
    ["GET", "/api/v1/gpus"],
    ["GET", "/api/v1/me"],
    ["GET", "/feed"],
    ["GET", "/pk"],
    ["GET", "/openapi.json"],
    ["POST", "/api/v1/session"],
    ["POST", "/api/v1/admin/tokens"],
    ["GET", "/api/v1/admin/accounts"],
  ])("over http, %s %s is refused in words, whatever it carries", async (method, path) => {
    const body = method === "POST" ? JSON.stringify({ name: "ada", password }) : undefined;
    for (const headers of [
      {},
      { authorization: `Bearer ${token}` },
      { cookie: `gohm_session_http=${"x".repeat(43)}` },
    ]) {
      const answer = await ask("http", path, { method, headers: { ...json, ...headers }, ...(body && { body }) });
      expect(answer.status).toBe(403);
      expect(JSON.parse(answer.text)).toEqual({
        error: { code: "tls_needed", message: expect.stringContaining(`send the request to https://${place}${path}.`) },
      });
      expect(answer.headers["set-cookie"]).toBeUndefined();
    }
  });

  test("machines and probes are answered over http, without cookies, and not with tokens of people", async () => {
    for (const path of ["/api/health", "/livez", "/readyz", "/healthz", "/-/healthy", "/-/ready"]) {
      expect((await ask("http", path)).text, path).not.toContain("tls_needed");
    }
    expect((await ask("http", "/api/health")).status).toBe(200);
    const registration = { method: "POST", headers: json, body: JSON.stringify({ hostname: "n1", capabilities: {} }) };
    const registered = await ask("http", "/api/monitoring/register", registration);
    expect(registered.status).toBe(200);
    const machine = (JSON.parse(registered.text) as { token: string }).token;
    const report = { method: "POST", body: JSON.stringify({ hostname: "n1", cpuUsagePct: 5 }) };
    const sent = { ...report, headers: { ...json, authorization: `Bearer ${machine}` } };
    expect((await ask("http", "/api/monitoring/report", sent)).status).toBe(200);
    const record = { client_name: "c1", timestamp: "2026-11-28 08:00:00", gpus: [] };
    expect(
      (await ask("http", "/api/receive-data", { method: "POST", headers: json, body: JSON.stringify(record) })).status,
    ).toBeLessThan(423);
    for (const path of ["/api/health", "/api/monitoring/register"]) {
      const method = path === "/api/health" ? "GET" : "POST";
      const answer = await ask("http", path, { method, headers: { ...json, authorization: `Bearer ${token}` } });
      expect([answer.status, answer.text]).toEqual([403, expect.stringMatching(/tls_needed|certificate/)]);
    }
    // A redirection would be followed by some programs, with what they carry.
    for (const path of ["/api/monitoring/report", "/api/monitoring/nothing", "/api/receive-data"]) {
      expect((await ask("http", path, { method: "POST", headers: json, body: "{}" })).status).toBeGreaterThanOrEqual(
        400,
      );
    }
  });

  test("a session begins over https, with a cookie that browsers send over https alone", async () => {
    const headers = { ...json, "sec-fetch-site": "same-origin" };
    const begun = await ask("https", "/api/v1/session", {
      method: "POST",
      headers,
      body: JSON.stringify({ name: "ada", password }),
    });
    expect(begun.status).toBe(200);
    const [cookie = ""] = begun.headers["set-cookie"] ?? [];
    expect(cookie).toMatch(/^__Host-gohm=[\w-]{43}; .*; Secure$/);
    const [pair = ""] = cookie.split(";");
    expect((await ask("https", "/api/v1/me", { headers: { cookie: pair } })).text).toContain('"ada"');
    const planted = pair.replace("__Host-gohm", "gohm_session_http");
    expect((await ask("https", "/api/v1/me", { headers: { cookie: planted } })).text).not.toContain('"ada"');
    // A machine's request over http is nobody's, also if it has the cookie of a session: with it, this would be of another site.
    const registration = { method: "POST", body: JSON.stringify({ hostname: "n2", capabilities: {} }) };
    const registered = await ask("http", "/api/monitoring/register", {
      ...registration,
      headers: { ...json, cookie: planted, origin: "https://evil.example" },
    });
    expect(registered.status).toBe(200);
    // Over http it is not even looked up: it would be that of an administrator.
    expect((await ask("http", "/api/health", { headers: { cookie: planted } })).status).toBe(200);
  });

  /** Calls the gRPC port. @returns the error, if there is one */
  function call(method: string, encrypted: boolean, request = Buffer.alloc(0)): Promise<grpc.ServiceError | null> {
    const { createSsl, createInsecure } = grpc.credentials;
    const client = new grpc.Client(hub.history, encrypted ? createSsl(readFileSync(root.cert)) : createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
    const same = (bytes: Buffer): Buffer => bytes;
    return new Promise((resolve) => {
      client.makeUnaryRequest(method, same, same, request, (error) => {
        client.close();
        resolve(error);
      });
    });
  }

  const check = "/grpc.health.v1.Health/Check";
  const history = (encrypted: boolean): Promise<grpc.ServiceError | null> =>
    call(
      "/gpu.History/GetHistory",
      encrypted,
      Buffer.from(toBinary(HistReqSchema, create(HistReqSchema, { id: "nobody_0", type: "util" }))),
    );

  test("the gRPC port takes TLS, refuses other calls in words, and answers health checks of both", async () => {
    expect(await history(true)).toMatchObject({ code: grpc.status.NOT_FOUND });
    expect(await history(false)).toMatchObject({
      code: grpc.status.FAILED_PRECONDITION,
      details: "This hub has a certificate: connect to this port with TLS.",
    });
    expect([await call(check, true), await call(check, false)]).toEqual([null, null]);
  });

  test("gohm and hmonitor reach it with the authority of the lab", async () => {
    const asked = ["status", "--hub", hub.url];
    expect(said(asked, { GOHM_HUB_CA: root.cert })).toMatch(/^version /m);
    expect(said(asked, {})).toContain("GOHM_HUB_CA can name a file (PEM) with the authority that signed it");
    expect(said(["status", "--hub", `http://${place}`], { GOHM_HUB_TOKEN: token })).toContain(
      "This hub has a certificate",
    );
    const agent = await startAgent({
      GOHM_NOGPU: "true",
      GOHM_SERVER: hub.url,
      GOHM_SERVER_CA: root.cert,
      GOHM_HOSTNAME: "pushing",
      GOHM_CONFIG: `${at.folder}/token`,
    });
    try {
      await vi.waitFor(async () => expect((await ask("https", "/api/v1/hosts")).text).toContain('"pushing"'), {
        timeout: 20_000,
        interval: 100,
      });
    } finally {
      await agent.stop();
    }
  });

  /** Serial number of the certificate that a port shows. */
  function shown(address: string): Promise<string> {
    const { hostname, port } = new URL(`https://${address}`);
    return new Promise((resolve, reject) => {
      const socket: TLSSocket = connect({
        host: hostname,
        port: Number(port),
        rejectUnauthorized: false,
        ALPNProtocols: ["h2", "http/1.1"],
      });
      socket.once("secureConnect", () => {
        resolve((socket.getPeerCertificate() as PeerCertificate).serialNumber);
        socket.destroy();
      });
      socket.once("error", reject);
    });
  }

  test("a renewed certificate is shown on both ports, and connections go on", async () => {
    const before = await shown(place);
    expect(await shown(hub.history)).toBe(before);
    const next = certificates.make({ issuer: root });
    renameSync(next.key, own.key);
    renameSync(next.cert, own.cert);
    for (const address of [place, hub.history]) {
      await vi.waitFor(async () => expect(await shown(address)).not.toBe(before), { timeout: 10_000, interval: 100 });
    }
    expect((await ask("https", "/api/health")).status).toBe(200);
  });

  test("who may not connect is reset on both ports, as soon as the settings say so, and may again later", async () => {
    at.write({ servers: {}, hub: { allow: "127.0.0.2, 127.0.0.3" } });
    const from = (address: string) =>
      ask("https", "/api/health", { from: address }).then(
        ({ status }) => status,
        (error: NodeJS.ErrnoException) => error.code,
      );
    await vi.waitFor(async () => expect(await from("127.0.0.1")).toBe("ECONNRESET"), {
      timeout: 10_000,
      interval: 100,
    });
    expect([await from("127.0.0.2"), await from("127.0.0.4")]).toEqual([200, "ECONNRESET"]);
    expect(await call(check, true)).toMatchObject({ code: grpc.status.UNAVAILABLE });
    expect(hub.output()).toContain("Reject: 127.0.0.4");
    // The control socket is no connection of the network.
    expect(said(["node", "refused"], { GOHM_DATA: at.data })).toMatch(/127\.0\.0\.4 .*may not connect/);
    at.write({ servers: {} });
    await vi.waitFor(async () => expect(await from("127.0.0.1")).toBe(200), { timeout: 10_000, interval: 100 });
  });

  test.each([
    ["a key without a certificate", { GOHM_HUB_TLS_KEY: "/gone.key" }, "GOHM_HUB_TLS_CERT is missing"],
    [
      "a file that is not there",
      { GOHM_HUB_TLS_KEY: "/gone.key", GOHM_HUB_TLS_CERT: "/gone.pem" },
      "Cannot read GOHM_HUB_TLS_CERT: ENOENT",
    ],
  ])("a hub with %s says so and does not start", async (_, env, words) => {
    const other = hubFolder();
    try {
      await expect(launch(other, env).line(/ready/)).rejects.toThrow(words);
    } finally {
      other.remove();
    }
  });
});
