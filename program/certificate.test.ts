import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CertificateFolder, certifies, type MadeCertificate } from "../test/certificate.ts";
import { Certificate, usesTls } from "./certificate.ts";

let folder: CertificateFolder;
let now: number;
let lines: string[];
beforeEach(() => {
  folder = new CertificateFolder();
  now = 0;
  lines = [];
});
afterEach(() => folder.remove());

const filesOf = ({ cert, key }: MadeCertificate) => ({
  cert: { path: cert, setting: "TEST_CERT" },
  key: { path: key, setting: "TEST_KEY" },
  clientCa: { path: "", setting: "" },
});

const open = (made: MadeCertificate, roots?: readonly string[]): Certificate =>
  new Certificate(filesOf(made), { log: (line) => lines.push(line), ticks: () => now, ...(roots && { roots }) });

/** Looks at the files, a time after the last look. */
function look(certificate: Certificate, ms = 1000): Certificate {
  now += ms;
  certificate.renew();
  return certificate;
}

test("a certificate needs a key, and a key a certificate", () => {
  const none = { cert: "", key: "" };
  expect(usesTls(filesOf(none))).toBe(false);
  expect(usesTls(filesOf({ cert: "a", key: "b" }))).toBe(true);
  expect(() => usesTls(filesOf({ ...none, cert: "a" }))).toThrow("TEST_KEY is missing");
  expect(() => usesTls(filesOf({ ...none, key: "a" }))).toThrow("TEST_CERT is missing");
});

describe.skipIf(!certifies)("certificates (openssl)", () => {
  test("a renewed certificate is used once both files are there, and one that is wrong is said once", () => {
    const [used, renewed] = [folder.make({ names: ["DNS:a.lab"] }), folder.make({ names: ["DNS:b.lab"] })];
    const certificate = open(used);
    const { context } = certificate;
    expect(look(certificate).context).toBe(context);
    renameSync(renewed.cert, used.cert);
    for (let i = 0; i < 3; i++) look(certificate);
    expect([certificate.names, certificate.context === context]).toEqual([["a.lab"], true]);
    expect(certificate.problem).toBe(
      `Cannot use the certificate in ${used.cert}, ${used.key}: the key belongs to another certificate`,
    );
    expect(lines).toEqual([`${certificate.problem}; the previous certificate remains in effect`]);
    renameSync(renewed.key, used.key);
    expect(look(certificate).names).toEqual(["b.lab"]);
    expect([certificate.problem, certificate.context === context]).toEqual([undefined, false]);
    expect(lines.slice(1)).toEqual([`The certificate in ${used.cert} was renewed`]);
  });

  test("files are looked at once a second, and a file may be missing for a minute", () => {
    const used = folder.make();
    const certificate = open(used);
    copyFileSync(used.cert, `${used.cert}.kept`);
    rmSync(used.cert);
    for (let i = 0; i < 60; i++) look(certificate);
    expect(certificate.problem).toBeUndefined();
    look(certificate);
    expect(certificate.problem).toMatch(/^Cannot read TEST_CERT: .*ENOENT/);
    renameSync(`${used.cert}.kept`, used.cert);
    expect(look(certificate, 999).problem).toBeDefined();
    expect(look(certificate, 1).problem).toBeUndefined();
    expect(lines).toHaveLength(2);
  });

  test("a file that could not be used is read again, although it looks as before", () => {
    const [used, renewed] = [folder.make({ names: ["DNS:a.lab"] }), folder.make({ names: ["DNS:b.lab"] })];
    const certificate = open(used);
    copyFileSync(renewed.key, used.key);
    const good = readFileSync(renewed.cert);
    const write = (content: Uint8Array): void => {
      writeFileSync(used.cert, content);
      utimesSync(used.cert, 1, 1);
    };
    write(Buffer.alloc(good.length, "x"));
    expect(look(certificate).problem).toBeDefined();
    write(good);
    expect(look(certificate).names).toEqual(["b.lab"]);
  });

  test.each([
    ["a certificate that is none", { cert: "junk" }, /^Cannot use the certificate in .*: no start line$/],
    ["a key that is none", { key: "junk" }, /^Cannot use the certificate in .*: \S/],
    ["an empty certificate", { cert: "" }, /^Cannot use the certificate in .*: \S/],
  ])("%s is an error at the start that names the files", (_, content, message) => {
    const made = folder.make();
    if ("cert" in content) folder.write("1.pem", content.cert);
    else folder.write("1.key", content.key);
    expect(() => open(made)).toThrow(message);
  });

  test("the names are those that it was issued for, without wildcards", () => {
    const certificate = open(folder.make({ names: ["DNS:*.wild.lab", "DNS:Hub.lab", "IP:10.0.0.5", "IP:fd00::1"] }));
    expect(certificate.names).toEqual(["hub.lab", "10.0.0.5", "fd00:0:0:0:0:0:0:1"]);
    const covered = ["hub.lab", "HUB.lab", "a.wild.lab", "10.0.0.5", "fd00::1"];
    expect(covered.filter((name) => !certificate.covers(name))).toEqual([]);
    expect(
      ["wild.lab", "a.b.wild.lab", "10.0.0.6", "other.lab", ""].filter((name) => certificate.covers(name)),
    ).toEqual([]);
  });

  test("it is public if its chain ends at an authority of browsers", () => {
    const [root, stranger] = [folder.make({ ca: true }), folder.make({ ca: true })];
    const between = folder.make({ ca: true, issuer: root });
    const [own, direct] = [folder.make({ issuer: between }), folder.make({ issuer: root })];
    const pem = ({ cert }: MadeCertificate): string => readFileSync(cert, "utf8");
    const roots = [pem(stranger), pem(root)];
    const chain = (...certificates: MadeCertificate[]): MadeCertificate => ({
      cert: folder.write("chain.pem", certificates.map(pem).join("")),
      key: own.key,
    });
    expect(open(chain(own, between), roots).isPublic()).toBe(true);
    expect(open(chain(own, between, root), roots).isPublic()).toBe(true);
    expect(open(direct, roots).isPublic()).toBe(true);
    expect(open(chain(own), roots).isPublic()).toBe(false);
    expect(open(chain(own, root), roots).isPublic()).toBe(false);
    expect(open(chain(own, between), [pem(stranger)]).isPublic()).toBe(false);
    expect(open(folder.make(), roots).isPublic()).toBe(false);
    // Anybody can make an authority of any name.
    const real = folder.make({ ca: true, subject: "Known", extensions: ["subjectKeyIdentifier=none"] });
    const forged = folder.make({ issuer: folder.make({ ca: true, subject: "Known" }) });
    expect(open(forged, [pem(real)]).isPublic()).toBe(false);
  });

  const ecdsa = (curve: string) => ["ec", "-pkeyopt", `ec_paramgen_curve:${curve}`];

  test.each(["secp256k1", "brainpoolP256r1"])("a key of the curve %s is refused: no client could connect", (curve) => {
    const used = folder.make();
    const certificate = open(used);
    const { cert, key } = folder.make({ kind: ecdsa(curve) });
    renameSync(cert, used.cert);
    renameSync(key, used.key);
    const { context } = certificate;
    expect(look(certificate).context).toBe(context);
    expect(certificate.problem).toMatch(`: clients of TLS know no keys of the curve ${curve}: use prime256v1 (P-256)`);
  });

  test("a file with a certificate and all authorities of a system is refused: clients end the connection", () => {
    const { cert, key } = folder.make();
    const other = readFileSync(folder.make().cert);
    writeFileSync(cert, Buffer.concat([readFileSync(cert), ...Array.from({ length: 300 }, () => other)]));
    expect(() => open({ cert, key })).toThrow(
      /: the certificate and those after it have \d+ bytes, and clients take 65536/,
    );
  });

  test("an encrypted key is called so", () => {
    const { cert, key } = folder.make();
    execFileSync("openssl", ["pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", `${key}.new`]);
    expect(() => open({ cert, key: `${key}.new` })).toThrow(/: the key is encrypted with a passphrase/);
  });

  test.each<[readonly string[]]>([
    [ecdsa("secp384r1")],
    [ecdsa("secp521r1")],
    [["rsa:2048"]],
    [["rsa-pss"]],
    [["ed25519"]],
  ])("a key of the kind %j can be used", (kind) => {
    const certificate = open(folder.make({ kind }));
    expect(certificate.signMs).toBeLessThan(1000);
    expect(certificate.validity.to - certificate.validity.from).toBe(100 * 86_400_000);
  });
});
