import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect as connectPlain, createServer, type Server } from "node:net";
import { connect } from "node:tls";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CertificateFolder, certifies } from "../test/certificate.ts";
import { Certificate } from "./certificate.ts";
import { makeTlsServer } from "./tls.ts";

describe.skipIf(!certifies)("a server with TLS", () => {
  let folder: CertificateFolder;
  let server: Server;
  let lines: string[];
  let ca: Buffer;

  beforeEach(async () => {
    folder = new CertificateFolder();
    lines = [];
    const { cert, key } = folder.make();
    ca = readFileSync(cert);
    const options = { log: (line: string) => void lines.push(line), ticks: () => 0 };
    const files = {
      cert: { path: cert, setting: "TEST_CERT" },
      key: { path: key, setting: "TEST_KEY" },
      clientCa: { path: "", setting: "" },
    };
    const certificate = new Certificate(files, options);
    const tls = makeTlsServer({
      certificate: () => certificate,
      protocols: ["http/1.1"],
      serve: (socket) => void socket.on("error", () => {}).end("served"),
      ...options,
    });
    server = createServer(tls).listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterEach(() => {
    server.close();
    folder.remove();
  });

  const at = () => ({ port: (server.address() as AddressInfo).port, host: "127.0.0.1" });

  test("names the address of a client that does not trust its certificate", async () => {
    const client = connect(at());
    await expect(once(client, "secureConnect")).rejects.toThrow(/self.signed/);
    await expect.poll(() => lines).toEqual(["No TLS with 127.0.0.1"]);
  });

  test("names the address of a client that leaves in the middle of its first message", async () => {
    const client = connectPlain(at());
    client.end(Buffer.from([0x16, 3, 1])).resume();
    await once(client, "close");
    await expect.poll(() => lines).toEqual(["No TLS with 127.0.0.1"]);
  });

  test("says nothing of those that it has served", async () => {
    const client = connect({ ...at(), ca });
    let said = "";
    client.on("data", (piece: Buffer) => {
      said += piece;
    });
    await once(client, "close");
    expect([said, lines]).toEqual(["served", []]);
  });
});
