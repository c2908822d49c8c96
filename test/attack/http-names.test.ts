// DNS rebinding: a page of another site whose name is made to point to the hub asks it under that name.
import { request } from "node:http";
import { hostname } from "node:os";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { machine, type PlayedHost, playHost } from "../host.ts";
import { type HubFolder, hubFolder, type RunningHub, startHub } from "../hub.ts";

let at: HubFolder;
let machineA: PlayedHost;
let hub: RunningHub;
const until = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 20_000, interval: 50 });

beforeEach(async () => {
  at = hubFolder();
  machineA = await playHost(() => machine(Date.now()));
  write({});
  hub = await startHub(at);
});

afterEach(async () => {
  await hub.stop();
  machineA.close();
  at.remove();
});

const write = (own: object): void => at.write({ servers: { a: machineA.address }, poll: { interval: 1 }, hub: own });

/** Status and the beginning of what is read under a name. */
function under(host: string, path = "/api/health"): Promise<[number | undefined, string]> {
  return new Promise((resolve, reject) => {
    request(hub.url + path, { headers: { host } }, (response) => {
      let text = "";
      const end = (): void => resolve([response.statusCode, text]);
      response.on("data", (piece: Buffer) => {
        text += piece.toString();
        if (text.length < 40) return;
        response.destroy();
        end();
      });
      response.on("end", end);
    })
      .on("error", reject)
      .end();
  });
}

const paths = ["/", "/api/health", "/feed", "/feed/host?name=a", "/api/history?host=a&metric=load1", "/pk", "/hist"];

test("requests for another site's name are refused for page, feed and history alike, and the refusal names the settings", async () => {
  await until(async () => expect((await under("127.0.0.1", "/feed/host?name=a"))[1]).toContain("H100"));
  for (const name of ["evil.example", "127.0.0.1.evil.example:5000", "localhost.evil.example", "127.1", "0x7f.1"]) {
    for (const path of paths) {
      const [status, text] = await under(name, path);
      expect(status, `${name} ${path}`).toBe(421);
      expect(text).toContain('"code":"name_refused"');
    }
  }
  const [, text] = await under("evil.example");
  expect(text).toMatch(/"evil\.example\\".*hub\.hosts.*GOHM_HUB_HOSTS.*hub\.url.*GOHM_HUB_URL/);
  // Said once, however often it is tried.
  expect(hub.output().match(/a request was refused: /g)).toHaveLength(1);
});

test("requests to addresses, to names that no other site can have, and to this machine's own name, long and short, are answered", async () => {
  const [short = ""] = hostname().split(".");
  const others = [
    "127.0.0.1",
    "127.0.0.1:9",
    "10.1.2.3",
    "[::1]:5000",
    "[2001:db8:0:0:0:0:0:1]",
    "LocalHost:80",
    "gohm",
  ];
  for (const name of [...others, hostname(), short, `${short}.local:5000`]) {
    expect((await under(name))[0], name).toBe(200);
  }
});

test("requests to names of the settings are answered as soon as they are set, and no longer than that", async () => {
  write({ hosts: ["gpus.lab.example", "Other.Example."], url: "https://proxy.lab.example/gohm" });
  const named = ["gpus.lab.example:5000", "GPUS.lab.example.", "other.example", "proxy.lab.example"];
  await until(async () => expect((await under("gpus.lab.example"))[0]).toBe(200));
  for (const name of named) expect((await under(name))[0], name).toBe(200);
  expect((await under("x.gpus.lab.example"))[0]).toBe(421);
  write({});
  await until(async () => expect((await under("gpus.lab.example"))[0]).toBe(421));
  for (const name of named) expect((await under(name))[0], name).toBe(421);
});
