import { rootCertificates } from "node:tls";
import { expect, test } from "vitest";
import { authorities } from "./authorities.ts";

const pem = (name: string): string => `-----BEGIN CERTIFICATE-----\n${name}\n-----END CERTIFICATE-----\n`;

const from = (files: Record<string, string>) => (path: string) => {
  const text = files[path];
  if (text === undefined) throw new Error(`ENOENT ${path}`);
  return text;
};

const setting = '"server.ca" (GOHM_SERVER_CA)';
const debian = "/etc/ssl/certs/ca-certificates.crt";

test("the system vouches, and whom the settings and Node's own variable name", () => {
  const read = from({ [debian]: pem("system"), "/lab.pem": pem("lab"), "/more.pem": pem("more") });
  expect(authorities({ setting, ca: "", env: {}, read })).toEqual([pem("system")]);
  expect(authorities({ setting, ca: "/lab.pem", env: { NODE_EXTRA_CA_CERTS: "/more.pem" }, read })).toEqual([
    pem("system"),
    pem("more"),
    pem("lab"),
  ]);
});

test("SSL_CERT_FILE stands for the system's", () => {
  const read = from({ [debian]: pem("system"), "/mine.pem": pem("mine") });
  expect(authorities({ setting, ca: "", env: { SSL_CERT_FILE: "/mine.pem" }, read })).toEqual([pem("mine")]);
});

test("a system without a list of its own gets Node's", () => {
  expect(authorities({ setting, ca: "", env: {}, read: from({}) })).toEqual([...rootCertificates]);
});

test.each([
  ["/gone.pem", "cannot be read"],
  ["/key.pem", "contains no certificate"],
])("%s, which %s, is an error", (ca, why) => {
  const read = from({ [debian]: pem("system"), "/key.pem": "-----BEGIN PRIVATE KEY-----" });
  expect(() => authorities({ setting, ca, env: {}, read })).toThrow(
    `(GOHM_SERVER_CA): must be a file of certificates, PEM: "${ca}" ${why}`,
  );
});
