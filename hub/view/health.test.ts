import { expect, test } from "vitest";
import { viewOf } from "../../test/view.ts";
import { partNames } from "../health.ts";
import { application } from "../http/application.ts";
import { starting } from "../http/server.ts";
import { Live } from "../live.ts";
import { silent } from "../log.ts";
import { healthRoutes } from "../route/health.ts";
import { health } from "./health.ts";

const live = new Live(() => 0);
const hub = viewOf({ live, read: () => "login" });
const app = application([await health.open(hub, {})], { log: silent, entry: hub.identity });
const ask = async (path: string, accept?: string): Promise<readonly [number, string]> => {
  const answer = await app.request(path, { headers: accept === undefined ? {} : { accept } });
  return [answer.status, await answer.text()];
};

test.each(["/livez", "/readyz", "/-/healthy", "/-/ready"])(
  "%s is answered without an account, whatever fails",
  async (path) => {
    live.notice("history", "The history in /home/alice cannot be written.");
    expect(await ask(path)).toEqual([200, "ok\n"]);
    expect(await ask(path, "application/json")).toEqual([200, '{"status":"ok"}']);
    live.notice("history", undefined);
  },
);

test("/healthz lists every part, as text or JSON", async () => {
  const [status, text] = await ask("/healthz", "*/*");
  expect([status, text.split("\n")]).toEqual([
    200,
    [...partNames.map((name) => `[+]${name} ok`), "health check passed", ""],
  ]);
  const [, json] = await ask("/healthz", "application/json");
  expect(JSON.parse(json)).toEqual({ status: "ok", parts: partNames.map((name) => ({ name, status: "ok" })) });
});

test.each([
  ["history", "history"],
  ["book", "administration"],
  ["clock", "clock"],
  ["settings", "settings"],
  ["certificate", "certificate"],
  ["certificate file", "certificate"],
  ["export", "export"],
  ["report", "reports"],
  ["report-folder", "reports"],
])("the message on %s makes %s fail, and no other part, without its words", async (topic, part) => {
  live.notice(topic, "Cannot write /home/alice/gohm: no space left.");
  const [status, text] = await ask("/healthz");
  expect(status).toBe(503);
  expect(text.match(/^\[-\].*$/gm)).toEqual([`[-]${part} failed`]);
  expect(text).toMatch(/\nhealth check failed\n$/);
  expect((await ask(`/healthz/${part}`))[0]).toBe(503);
  expect(text + (await ask(`/healthz/${part}`, "application/json"))[1]).not.toMatch(/alice|space/);
  const other = partNames.find((name) => name !== part);
  expect(await ask(`/healthz/${other}`)).toEqual([200, `[+]${other} ok\nhealth check passed\n`]);
  live.notice(topic, undefined);
  expect((await ask("/healthz"))[0]).toBe(200);
});

test("a message that is no failure of a part, and a host that does not answer, leave the hub healthy", async () => {
  live.notice("devices", "A host has more devices than are kept.");
  live.expect("gpu1", "127.0.0.1:1");
  live.failed("gpu1", "no route");
  expect((await ask("/healthz"))[0]).toBe(200);
});

test("a part that does not exist is refused, with the names of those that do", async () => {
  const [status, text] = await ask("/healthz/histroy");
  expect([status, text.includes("history, administration")]).toEqual([400, true]);
});

test("while the hub starts it is alive, and not ready", async () => {
  for (const { path } of Object.values(healthRoutes)) {
    const { status } = starting(new Request(`http://hub.lab:5000${path}?x`));
    expect([path, status]).toEqual([path, path === "/livez" || path === "/-/healthy" ? 200 : 503]);
  }
});
