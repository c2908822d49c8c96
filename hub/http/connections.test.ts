import { PassThrough } from "node:stream";
import { Hono } from "hono";
import { expect, test } from "vitest";
import { silent } from "../log.ts";
import { Refusals } from "../refusal.ts";
import { listen, serverOf } from "./server.ts";

test("a hub that may open few files says how many connections it takes", async () => {
  const lines: string[] = [];
  const log = { ...silent, warn: (line: string) => void lines.push(line) };
  for (const files of [65_536, 1024]) {
    await (await listen(new Hono(), { address: "127.0.0.1:0", names: () => [], log, files })).close();
  }
  expect(lines).toEqual([
    "this process may open only few files (ulimit -n): the page's port takes 256 connections instead of 1024",
  ]);
});

test("a request whose body does not come in time is counted as too slow, and bytes that are no request as bad, once each", () => {
  const refusals = new Refusals(() => 0);
  const server = serverOf(new Hono(), { garbled: (_socket, { code }) => refusals.count("10.0.0.7", code) });
  for (const code of ["ERR_HTTP_REQUEST_TIMEOUT", "HPE_INVALID_METHOD", "ECONNRESET"]) {
    const socket = new PassThrough();
    for (let i = 0; i < 2; i++) server.emit("clientError", Object.assign(new Error("x"), { code }), socket);
  }
  expect(refusals.list()[0]?.counts.map(({ code, count }) => [code, count])).toEqual([
    ["request_too_slow", 1],
    ["bad_request", 1],
  ]);
});
