// Who may call gpu.History: the same people who may read over HTTP.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BookFixture } from "../../../test/book.ts";
import { Model, valuesOf } from "../../../test/model.ts";
import { viewOf } from "../../../test/view.ts";
import type { Book } from "../../book/book.ts";
import { hashOf, newSecret } from "../../secret.ts";
import { history as view } from "../grpc.ts";
import type { RunningView } from "../view.ts";

let folder = "";
let fixture: BookFixture;
let book: Book;
let read: "open" | "login";
let open: RunningView;
let client: grpc.Client;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "gohm-grpc-"));
  fixture = new BookFixture();
  book = fixture.open(folder);
  read = "login";
  const history = new Model();
  const values = valuesOf("gpu", { gpu_temperature: 40 });
  history.append({ host: "a", at: Date.now() - 1000, devices: [{ level: "gpu", key: "GPU-1", index: 0, values }] });
  const hub = viewOf({ book, history, read: () => read });
  open = await view.open(hub, { address: "127.0.0.1:0", reflection: true });
  client = new grpc.Client(open.place?.split(" ").at(-1) ?? "", grpc.credentials.createInsecure());
});

afterEach(async () => {
  client.close();
  await open.close();
  fixture.close();
  rmSync(folder, { recursive: true });
});

const same = (bytes: Buffer): Buffer => bytes;

function metadata(authorization: string | undefined): grpc.Metadata {
  const made = new grpc.Metadata();
  if (authorization !== undefined) made.set("authorization", authorization);
  return made;
}

/** Status of a call. */
function call(path: string, authorization?: string, request = Buffer.alloc(0)): Promise<grpc.status> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, same, same, request, metadata(authorization), (error) => {
      resolve(error?.code ?? grpc.status.OK);
    });
  });
}

/** HistReq {id: "a_0", type: "temp"}. */
const request = Buffer.from([0x0a, 3, ...Buffer.from("a_0"), 0x1a, 4, ...Buffer.from("temp")]);
const getHistory = (authorization?: string) => call("/gpu.History/GetHistory", authorization, request);

/** Status of listing the services. */
function list(authorization?: string): Promise<grpc.status> {
  const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
  const stream = client.makeBidiStreamRequest(path, same, same, metadata(authorization));
  return new Promise((resolve) => {
    stream.on("data", () => stream.end());
    stream.on("error", () => {}); // its status says it
    stream.on("status", ({ code }) => resolve(code));
    stream.write(Buffer.from([0x3a, 0]));
  });
}

function token(scope: "read" | "push"): string {
  const secret = newSecret();
  book.write((writer) =>
    writer.addToken(hashOf(secret), { name: scope, scope, created: Date.now(), creator: "owner", expires: undefined }),
  );
  return `Bearer ${secret}`;
}

test("where reading needs an account, gpu.History and reflection want a token to read, and health does not", async () => {
  const [reads, pushes] = [token("read"), token("push")];
  for (const ask of [getHistory, list]) {
    expect([await ask(), await ask(`Bearer ${newSecret()}`), await ask(pushes), await ask(reads)]).toEqual([
      grpc.status.UNAUTHENTICATED,
      grpc.status.UNAUTHENTICATED,
      grpc.status.PERMISSION_DENIED,
      grpc.status.OK,
    ]);
  }
  expect(await call("/grpc.health.v1.Health/Check")).toBe(grpc.status.OK);
});

test("where everyone may read, only a wrong token is refused, and a change of the setting holds for the next call", async () => {
  read = "open";
  expect([await getHistory(), await list()]).toEqual([grpc.status.OK, grpc.status.OK]);
  expect(await getHistory(`Bearer ${newSecret()}`)).toBe(grpc.status.UNAUTHENTICATED);
  read = "login";
  expect(await getHistory()).toBe(grpc.status.UNAUTHENTICATED);
});
