// The real agent and hub over TLS, with certificates that openssl makes: encrypted, mutual, renewed, and with a token.
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type AgentCredentials, dial } from "../../hub/input/poll/channel.ts";
import { hubFolder, startHub, view } from "../hub.ts";
import { type Program, start } from "../program.ts";

const able = spawnSync("openssl", ["version"]).status === 0;
const folder = mkdtempSync(join(tmpdir(), "gohm-tls-"));
const file = (name: string): string => join(folder, name);
const openssl = (...args: string[]): void => void execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });

function authority(name: string): void {
  openssl(
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    "-subj",
    `/CN=${name}`,
    "-keyout",
    `${name}.key`,
    "-out",
    `${name}.pem`,
  );
}

/** A certificate for 127.0.0.1 from one of the authorities. */
function certificate(name: string, by: string): void {
  writeFileSync(file(`${name}.ext`), "subjectAltName=IP:127.0.0.1\n");
  openssl(
    "req",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-subj",
    `/CN=${name}`,
    "-keyout",
    `${name}.key`,
    "-out",
    `${name}.csr`,
  );
  openssl(
    "x509",
    "-req",
    "-in",
    `${name}.csr`,
    "-CA",
    `${by}.pem`,
    "-CAkey",
    `${by}.key`,
    "-CAcreateserial",
    "-days",
    "2",
    "-extfile",
    `${name}.ext`,
    "-out",
    `${name}.pem`,
  );
}

const running: Program[] = [];

async function agent(env: Record<string, string>): Promise<{ program: Program; address: string; port: number }> {
  const program = start("hmonitor", [], { GOHM_ADDR: "127.0.0.1:0", ...env });
  running.push(program);
  const [, port = ""] = await program.line(/listens on \S+:(\d+)/);
  return { program, address: `tls://127.0.0.1:${port}`, port: Number(port) };
}

async function outcome(address: string, trust: Partial<AgentCredentials> = {}): Promise<string> {
  const channel = dial(address, trust);
  const answer = await channel.ask(10_000);
  channel.close();
  return answer.kind === "answer" ? "answer" : answer.reason.text;
}

describe.skipIf(!able)("TLS (openssl)", () => {
  const tls = { GOHM_TLS_CERT: file("host.pem"), GOHM_TLS_KEY: file("host.key") };

  beforeAll(() => {
    authority("lab");
    authority("stranger");
    certificate("host", "lab");
    certificate("hub", "lab");
    certificate("guest", "stranger");
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "ec.key");
  });
  afterEach(async () => {
    for (const program of running.splice(0)) expect(await program.stop()).toBe(0);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("a hub that trusts the authority reads the host; one that does not, or uses plaintext, reports why it cannot", async () => {
    const { address } = await agent(tls);
    expect(await outcome(address, { ca: file("lab.pem") })).toBe("answer");
    expect(await outcome(address, { ca: file("stranger.pem") })).toMatch(
      /certificate shown at .* is not accepted: [A-Z_]+$/,
    );
    expect(await outcome(address.replace("tls://", ""))).toContain(`its address here is ${address}`);
    expect(await outcome(address, { ca: file("absent.pem") })).toMatch(/no TLS with .*absent\.pem/);
    expect(await outcome(address, { cert: file("hub.pem"), key: file("ec.key") })).toMatch(
      /no TLS with .*the key in .*ec\.key belongs to another certificate/,
    );
  });

  test("with client authorities only clients with their certificates are answered", async () => {
    const { address } = await agent({ ...tls, GOHM_TLS_CLIENT_CA: file("lab.pem") });
    const ca = file("lab.pem");
    expect(await outcome(address, { ca, cert: file("hub.pem"), key: file("hub.key") })).toBe("answer");
    const refused = /does not accept this hub's certificate \(poll\.cert and poll\.key\)/;
    expect(await outcome(address, { ca, cert: file("guest.pem"), key: file("guest.key") })).toMatch(refused);
    expect(await outcome(address, { ca })).toMatch(refused);
    expect(await outcome(address, { ca, cert: file("hub.pem") })).toMatch(/poll\.cert and poll\.key go together/);
  });

  test("a hub that speaks TLS to an agent without TLS reports that", async () => {
    const program = start("hmonitor", [], { GOHM_ADDR: "127.0.0.1:0" });
    running.push(program);
    const [, port = ""] = await program.line(/listens on \S+:(\d+)/);
    expect(await outcome(`tls://127.0.0.1:${port}`, { ca: file("lab.pem") })).toMatch(
      /does not speak TLS: an hmonitor without a certificate has an address without tls:\/\/ \(ERR_SSL_/,
    );
  });

  test("a probe with the agent's own settings needs no certificate, whether clients must have one or not", async () => {
    for (const more of [{}, { GOHM_TLS_CLIENT_CA: file("lab.pem") }]) {
      const env = { ...tls, ...more };
      const { port } = await agent(env);
      const probe = start("hmonitor", ["health", "--addr", `127.0.0.1:${port}`], env);
      if (probe.child.exitCode === null) await once(probe.child, "close");
      expect([probe.child.exitCode, probe.output()]).toEqual([0, `hmonitor answers on 127.0.0.1:${port}\n`]);
    }
  });

  test("a probe that mixes up plaintext and TLS names the settings to look at", async () => {
    const health = async (env: Record<string, string>, port: number): Promise<string> => {
      const probe = start("hmonitor", ["health", "--addr", `127.0.0.1:${port}`], env);
      await once(probe.child, "close");
      expect(probe.child.exitCode).toBe(1);
      return probe.output();
    };
    const mutual = { ...tls, GOHM_TLS_CLIENT_CA: file("lab.pem") };
    for (const env of [tls, mutual]) {
      const secure = await agent(env);
      expect(await health({}, secure.port)).toMatch(
        /; ask with the agent's own GOHM_ALLOW, GOHM_TLS_CERT and GOHM_TLS_KEY\n$/,
      );
    }
    const plain = await agent({});
    for (const env of [tls, mutual]) {
      expect(await health(env, plain.port)).toMatch(
        /^hmonitor does not answer on \S+: it does not speak TLS; an agent without a certificate is asked without GOHM_TLS_CERT\n$/,
      );
    }
    const strict = await agent(mutual);
    expect(await health(tls, strict.port)).toMatch(
      /^hmonitor does not answer on [^\n]+; ask with the agent's own GOHM_ALLOW and GOHM_TLS_CLIENT_CA\n$/,
    );
    const closed = await agent({ GOHM_ALLOW: "10.0.0.5" });
    expect(await health({}, closed.port)).toMatch(/; ask with the agent's own GOHM_ALLOW,/);
  });

  test("a renewed certificate is served without a restart, and after an invalid one the old one remains", async () => {
    const { port, program } = await agent(tls);
    const shown = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connect(
          { host: "127.0.0.1", port, ca: [], rejectUnauthorized: false, ALPNProtocols: ["h2"] },
          () => {
            resolve(socket.getPeerX509Certificate()?.serialNumber ?? "");
            socket.destroy();
          },
        );
        socket.on("error", reject);
      });
    const first = await shown();
    certificate("next", "lab");
    renameSync(file("next.key"), file("host.key"));
    renameSync(file("next.pem"), file("host.pem"));
    const second = await vi.waitUntil(
      async () => {
        const serial = await shown();
        return serial === first ? undefined : serial;
      },
      { timeout: 20_000, interval: 200 },
    );
    expect(program.output()).toMatch(/The certificate in .*host\.pem was renewed/);
    writeFileSync(file("draft.pem"), "no certificate\n");
    renameSync(file("draft.pem"), file("host.pem"));
    await vi.waitUntil(
      async () => {
        expect(await shown()).toBe(second);
        return /the previous certificate remains in effect/.test(program.output());
      },
      { timeout: 20_000, interval: 200 },
    );
    certificate("host", "lab");
  });

  test("a token is required: the right one is accepted, none or a wrong one is refused with a message", async () => {
    writeFileSync(file("token"), "correct horse\n");
    const { address, program } = await agent({ ...tls, GOHM_TOKEN_FILE: file("token") });
    const ca = file("lab.pem");
    expect(await outcome(address, { ca, token: "correct horse" })).toBe("answer");
    for (const token of ["", "correct horsf"]) expect(await outcome(address, { ca, token })).toMatch(/wrong token/);
    expect(program.output()).not.toContain("correct horse");
  });

  test.each([
    [{ GOHM_TLS_CERT: file("host.pem") }, /GOHM_TLS_KEY is missing/],
    [{ GOHM_TLS_CLIENT_CA: file("lab.pem") }, /GOHM_TLS_CERT is missing/],
    [
      { GOHM_TLS_CERT: file("nowhere.pem"), GOHM_TLS_KEY: file("host.key") },
      /Cannot read GOHM_TLS_CERT: .*nowhere\.pem/,
    ],
    [{ GOHM_TLS_CERT: file("host.pem"), GOHM_TLS_KEY: file("hub.key") }, /Cannot use the certificate in/],
    [
      { GOHM_TLS_CERT: file("host.pem"), GOHM_TLS_KEY: file("ec.key") },
      /Cannot use the certificate in .*host\.pem, .*ec\.key: the key belongs to another certificate$/m,
    ],
    [
      { GOHM_TLS_CERT: file("host.key"), GOHM_TLS_KEY: file("host.key") },
      /Cannot use the certificate in .*host\.key: no start line$/m,
    ],
    [{ GOHM_TOKEN_FILE: file("nowhere") }, /Cannot read setting "token" \(GOHM_TOKEN_FILE\)/],
  ])("%o stops the agent with one sentence", async (env, words) => {
    const program = start("hmonitor", [], { GOHM_ADDR: "127.0.0.1:0", ...env });
    await program.line(words);
    await vi.waitUntil(() => program.child.exitCode !== null);
    expect(program.child.exitCode).toBe(1);
    expect(program.output().trim().split("\n")).toHaveLength(1);
  });

  test("the hub polls a tls:// host with its settings, and uses a corrected token without a restart", async () => {
    const { address } = await agent({ ...tls, GOHM_TOKEN: "swordfish", GOHM_TLS_CLIENT_CA: file("lab.pem") });
    const at = hubFolder();
    const settings = (token: string): object => ({
      servers: { node: address },
      poll: { interval: 1, token, ca: file("lab.pem"), cert: file("hub.pem"), key: file("hub.key") },
    });
    at.write(settings("trout"));
    const hub = await startHub(at);
    running.push(hub);
    const viewer = view(hub.url);
    await vi.waitUntil(() => /wrong token/.test(viewer.hosts.get("node")?.reason ?? ""), { timeout: 20_000 });
    at.write(settings("swordfish"));
    await vi.waitUntil(() => viewer.hosts.get("node")?.info?.hostname, { timeout: 20_000 });
    expect(hub.output()).not.toContain("swordfish");
    // Node warns of a TLS server name that is an address.
    expect(hub.output()).not.toContain("Warning");
    viewer.close();
    expect(await hub.stop()).toBe(0);
    at.remove();
  });
});
