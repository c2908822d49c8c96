// Headers with which a proxy names people (auth.proxy), made up by a client, at Debian's nginx and Caddy as docs/security.md configures them.
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { freePort } from "../prometheus.ts";
import { adapted, missingProxy, type RunningProxy, recipes, startProxy, writeCertificate } from "../proxy.ts";

/** Stands for the hub: answers with the headers that reach it. */
let hub: Server;
/** Stands for Authelia: everybody who asks it is signed in as bob. */
let authority: Server;
let proxy: RunningProxy | undefined;
let port = 0;

async function serve(listener: RequestListener): Promise<Server> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}
const addressOf = (server: Server): string => `127.0.0.1:${(server.address() as AddressInfo).port}`;

beforeEach(async () => {
  hub = await serve(({ headers }, response) => void response.end(JSON.stringify(headers)));
  authority = await serve(
    (_, response) => void response.writeHead(200, { "Remote-User": "bob", "Remote-Groups": "users" }).end(),
  );
  port = await freePort();
});

afterEach(async () => {
  await proxy?.stop();
  proxy = undefined;
  for (const server of [hub, authority]) {
    server.closeAllConnections();
    server.close();
  }
});

const [nginxMachines = ""] = recipes("nginx", "docs/security.md");
const [nginxPeople = ""] = recipes("nginx", "docs/accounts.md");
const [caddy = ""] = recipes("caddyfile", "docs/security.md");

const setups = {
  nginx: (folder: string): string => {
    writeCertificate(folder);
    return `server {
      listen 127.0.0.1:${port} ssl; ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;
      location = /verify { internal; proxy_pass http://${addressOf(authority)}; }
      ${adapted(nginxMachines, { "127.0.0.1:5000": addressOf(hub) })}
      location / { auth_request /verify; ${nginxPeople} proxy_pass http://${addressOf(hub)}; }
    }`;
  },
  caddy: (): string =>
    adapted(caddy, {
      "gohm.lab {": `https://localhost:${port} {`,
      "127.0.0.1:5000": addressOf(hub),
      "127.0.0.1:9091": addressOf(authority),
    }),
} as const;

/** Headers that reach the hub when a client names itself an administrator. */
function forged(path: string): Promise<IncomingHttpHeaders> {
  const headers = {
    Host: `localhost:${port}`,
    "Remote-User": "root",
    "remote-groups": "gpu-admins",
    Authorization: "Bearer T",
  };
  const options = {
    host: "127.0.0.1",
    port,
    servername: "localhost",
    path,
    headers,
    rejectUnauthorized: false,
    agent: false,
  };
  return new Promise((resolve, reject) => {
    request(options, async (answer) => {
      let text = "";
      for await (const piece of answer.setEncoding("utf8")) text += piece;
      if (answer.statusCode === 200) resolve(JSON.parse(text));
      else reject(new Error(`${path}: ${answer.statusCode} ${text}`));
    })
      .once("error", reject)
      .end();
  });
}

describe.each(["nginx", "caddy"] as const)("behind %s", (name) => {
  test.skipIf(missingProxy(name) !== undefined)(
    "nobody but the sign-in says who somebody is, on any path",
    async () => {
      proxy = await startProxy(name, port, setups[name]);
      expect(await forged("/api/v1/me")).toMatchObject({ "remote-user": "bob", "remote-groups": "users" });
      for (const path of ["/api/monitoring/config", "/api/monitoring/../monitoring/config", "/api/monitoring/"]) {
        const headers = await forged(path);
        expect([headers["remote-user"], headers["remote-groups"]]).toEqual([undefined, undefined]);
        expect(headers.authorization).toBe("Bearer T");
      }
      // What only looks like a path of machines needs a sign-in.
      for (const path of [
        "/api/monitoring/../v1/me",
        "/api/monitoring%2f..%2fv1/me",
        "//api/monitoring/../../api/v1/me",
      ]) {
        expect((await forged(path))["remote-user"] ?? "", path).toMatch(/^(bob)?$/);
      }
    },
  );
});
