import { readFileSync, renameSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CertificateFolder, certifies, type MadeCertificate } from "../test/certificate.ts";
import { defaultDoor } from "../test/door.ts";
import { SimulatedClock } from "../test/simulated-clock.ts";
import type { Clock } from "./clock.ts";
import type { DoorSettings } from "./door/settings.ts";
import { Front, type FrontOptions, type FrontSettings } from "./front.ts";
import { silent } from "./log.ts";
import { textOf } from "./sentence.ts";

const day = 86_400_000;

let folder: CertificateFolder;
let front: Front | undefined;
beforeEach(() => {
  folder = new CertificateFolder();
});
afterEach(() => {
  front?.close();
  folder.remove();
});

const settingsOf = (door: Partial<DoorSettings>, url = ""): FrontSettings => ({
  url,
  door: { ...defaultDoor, ...door },
});
const filesOf = ({ cert, key }: MadeCertificate): Partial<DoorSettings> => ({ tlsCert: cert, tlsKey: key });

/** A front with a clock, the notices that it makes, and its log. */
function open(settings: FrontSettings, more: Partial<FrontOptions> = {}) {
  const clock = new SimulatedClock(Date.now());
  const notices = new Map<string, string>();
  const lines: string[] = [];
  const log = {
    ...silent,
    warn: (line: string) => void lines.push(line),
    error: (line: string) => void lines.push(line),
  };
  const opened = new Front({
    settings,
    clock: clock as Clock,
    log,
    notice(topic, words) {
      if (words === undefined) notices.delete(topic);
      else notices.set(topic, textOf(words));
    },
    ticks: () => clock.now(),
    ...more,
  });
  front = opened;
  return { front: opened, clock, notices, lines, said: () => [...notices.values()] };
}

test("everyone may connect by default, and those of the networks where some are set, from the moment that they are", () => {
  const { front } = open(settingsOf({}));
  let changes = 0;
  front.onChange(() => changes++);
  const all = ["10.0.0.7", "::ffff:10.0.0.7", "192.168.1.5", "2001:db8::1", "127.0.0.1"];
  const allowed = (): string[] => all.filter((address) => front.allows(address));
  expect(allowed()).toEqual(all);
  front.change(settingsOf({ allow: "10.0.0.0/8, 2001:db8::/32" }));
  expect([allowed(), changes]).toEqual([["10.0.0.7", "::ffff:10.0.0.7", "2001:db8::1"], 1]);
  front.change(settingsOf({ allow: "10.0.0.0/8, 2001:db8::/32", proxies: "10.0.0.7" }));
  expect(changes).toBe(1);
  front.change(settingsOf({}));
  expect([allowed(), changes]).toEqual([all, 2]);
});

describe.skipIf(!certifies)("certificates (openssl)", () => {
  test.each([
    [100, 85.9, 86.1],
    [9, 5.9, 6.1],
  ])(
    "administrators hear of a certificate for %i days before it ends, then that it has ended, each once in the log",
    (days, quiet, late) => {
      const made = folder.make({ days });
      const { clock, lines, said } = open(settingsOf(filesOf(made)));
      clock.elapse(quiet * day);
      expect([said(), lines]).toEqual([[], []]);
      clock.elapse((late - quiet) * day);
      expect(said()).toEqual([
        expect.stringMatching(/^The certificate in .* ends at \d{4}-\d\d-\d\dT\d\d:\d\dZ: renew it before/),
      ]);
      clock.elapse((days - late) * day);
      expect(said()).toEqual([
        expect.stringMatching(/^The certificate in .* is only valid from .* to .*: renew it, or correct/),
      ]);
      expect(lines).toHaveLength(2);
      const [next] = [folder.make({ days: 200 })];
      renameSync(next.key, made.key);
      renameSync(next.cert, made.cert);
      clock.elapse(60_000);
      expect(said()).toEqual([]);
    },
  );

  test("one that is not valid yet is said", () => {
    const { said } = open(settingsOf(filesOf(folder.make())), {
      clock: new SimulatedClock(Date.now() - 2 * day) as Clock,
    });
    expect(said()).toEqual([expect.stringContaining("is only valid from")]);
  });

  test("files that cannot be used are said until they can, while the certificate before is used", () => {
    const made = folder.make();
    const { front, clock, said, lines } = open(settingsOf(filesOf(made)));
    const before = front.certificate()?.context;
    const good = readFileSync(made.cert);
    folder.write("1.pem", "junk");
    clock.elapse(60_000);
    expect(said()).toEqual([
      expect.stringMatching(/^Cannot use the certificate in .*The previous certificate remains/),
    ]);
    expect([front.certificate()?.context === before, lines.length]).toEqual([true, 1]);
    folder.write("1.pem", good);
    clock.elapse(60_000);
    expect(said()).toEqual([]);
  });

  test("settings turn encryption on and off; those that cannot be used change nothing, and are tried again", () => {
    const { front, said, lines } = open(settingsOf({}));
    const [one, other] = [folder.make({ names: ["DNS:a.lab"] }), folder.make({ names: ["DNS:b.lab"] })];
    const names = (): readonly string[] | undefined => front.certificate()?.names;
    front.change(settingsOf(filesOf(one)));
    expect(names()).toEqual(["a.lab"]);
    const wrong = settingsOf({ tlsCert: other.cert, tlsKey: one.key });
    front.change(wrong);
    expect(names()).toEqual(["a.lab"]);
    expect([said().length, lines.length]).toEqual([1, 1]);
    renameSync(other.key, one.key);
    front.change(wrong);
    expect([names(), said()]).toEqual([["b.lab"], []]);
    front.change(settingsOf({ tlsCert: other.cert }));
    expect(said()).toEqual([expect.stringContaining("GOHM_HUB_TLS_KEY is missing")]);
    front.change(settingsOf({}));
    expect([names(), said()]).toEqual([undefined, []]);
  });

  test("a certificate that cannot be used at the start is an error", () => {
    expect(() => open(settingsOf({ tlsCert: "/gone.pem", tlsKey: "/gone.key" }))).toThrow(
      "Cannot read GOHM_HUB_TLS_CERT",
    );
    expect(() => open(settingsOf({ tlsKey: "/gone.key" }))).toThrow("GOHM_HUB_TLS_CERT is missing");
  });

  test("browsers are told to use https only where the settings say so, and every browser accepts the certificate", () => {
    const root = folder.make({ ca: true });
    const roots = [readFileSync(root.cert, "utf8")];
    const issued = filesOf(folder.make({ issuer: root, names: ["DNS:gpus.lab.example", "IP:10.0.0.5"] }));
    const strict = (name: string, settings: FrontSettings, known = roots): boolean => {
      const opened = open(settings, { roots: known }).front;
      const value = opened.strictTransport(name);
      opened.close();
      return value === `max-age=${30 * 86_400}`;
    };
    const url = "https://gpus.lab.example/gohm";
    expect(strict("gpus.lab.example", settingsOf(issued, url))).toBe(true);
    for (const other of ["", "http://gpus.lab.example", "https://gpus.lab.example:5000", "https://www.lab.example"]) {
      expect(strict("gpus.lab.example", settingsOf(issued, other)), other).toBe(false);
    }
    expect(strict("10.0.0.5", settingsOf(issued, "https://10.0.0.5"))).toBe(false);
    expect(strict("www.lab.example", settingsOf(issued, "https://www.lab.example"))).toBe(false);
    expect(strict("10.0.0.5", settingsOf(issued, url))).toBe(false);
    expect(strict("gpus.lab.example", settingsOf({}, url))).toBe(false);
    expect(strict("gpus.lab.example", settingsOf(issued, url), [])).toBe(false);
  });
});
