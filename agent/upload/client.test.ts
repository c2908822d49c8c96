import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, createServer as createListener } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { UploadClient, type UploadClientOptions } from "./client.ts";

const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

async function hub(
  answer: RequestListener,
  prepare: (server: Server) => void = () => undefined,
): Promise<UploadClient> {
  const server = createServer(answer);
  prepare(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return client((server.address() as AddressInfo).port);
}

function client(port: number, deadline = 5000, more: Partial<UploadClientOptions> = {}): UploadClient {
  const server = `http://127.0.0.1:${port}/below`;
  const made = new UploadClient({ server, authorities: [], deadline, limit: 1000, ...more });
  open.push(() => made.close());
  return made;
}

const never = new AbortController().signal;
const get = { method: "GET", path: "/x" } as const;

test("sends method, path, token, type and body, and gives back status, headers and text", async () => {
  const heard: unknown[] = [];
  const door = await hub((request, response) => {
    const { method, url, headers } = request;
    request.on("data", (piece) => heard.push(String(piece)));
    request.on("end", () => {
      heard.push(method, url, headers.authorization, headers["content-type"], headers["content-length"]);
      response.writeHead(202, { "X-Said": "yes" }).end("ünï");
    });
  });
  const body = Buffer.from("{}");
  const answer = await door.ask({ method: "POST", path: "/x", token: "t", type: "a/b", body }, never);
  expect(heard).toEqual(["{}", "POST", "/below/x", "Bearer t", "a/b", "2"]);
  expect(answer).toMatchObject({ status: 202, headers: { "x-said": "yes" }, text: "ünï" });
});

test("says in the header Date when a request is sent, by the clock of this machine", async () => {
  vi.useFakeTimers({ now: Date.UTC(2030, 0, 2, 3, 4, 5, 678), toFake: ["Date"] });
  try {
    const door = await hub(({ headers }, response) => void response.end(headers.date));
    expect((await door.ask(get, never)).text).toBe("Wed, 02 Jan 2030 03:04:05 GMT");
  } finally {
    vi.useRealTimers();
  }
});

test("a redirect is given back, not followed", async () => {
  let calls = 0;
  const door = await hub((_, response) => {
    calls++;
    response.writeHead(302, { location: "/elsewhere" }).end();
  });
  expect(await door.ask(get, never)).toMatchObject({ status: 302, headers: { location: "/elsewhere" } });
  expect(calls).toBe(1);
});

test("no proxy of the environment comes between", async () => {
  process.env.http_proxy = "http://127.0.0.1:1";
  process.env.NODE_USE_ENV_PROXY = "1";
  const door = await hub((_, response) => void response.end("direct"));
  expect((await door.ask(get, never)).text).toBe("direct");
  delete process.env.http_proxy;
  delete process.env.NODE_USE_ENV_PROXY;
});

test("an error's text is cut at the limit, and its status is told", async () => {
  const door = await hub((_, response) => void response.writeHead(422).end("x".repeat(100_000)));
  expect(await door.ask(get, never)).toEqual(expect.objectContaining({ status: 422, text: "x".repeat(1000) }));
  // The connection that was cut with it is not used again.
  expect(await door.ask(get, never)).toMatchObject({ status: 422 });
});

test("an answer without end is cut off at the limit", async () => {
  let ended = false;
  const door = await hub((_, response) => {
    const pour = (): void => {
      while (!response.destroyed && response.write("x".repeat(500)));
    };
    response.on("drain", pour).on("close", () => {
      ended = true;
    });
    pour();
  });
  await expect(door.ask(get, never)).rejects.toThrow("its answer is over 1000 bytes");
  await expect.poll(() => ended).toBe(true);
});

test.each([
  ["says nothing", () => undefined],
  ["never ends its answer", (_request, response) => void response.writeHead(200, { "content-length": 9 }).write("x")],
] satisfies [string, RequestListener][])("a hub that %s is given up at the deadline", async (_, answer) => {
  const server = createServer(answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const door = client((server.address() as AddressInfo).port, 30);
  await expect(door.ask(get, never)).rejects.toThrow("no answer in 0.03 s");
});

test("a connection may take less time than an answer: a handshake of TLS that does not end is given up earlier", async () => {
  const listener = createListener((socket) => void socket.on("error", () => undefined));
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  open.push(() => listener.close());
  const { port } = listener.address() as AddressInfo;
  const secure = client(port, 60_000, { server: `https://127.0.0.1:${port}`, connecting: 30 });
  await expect(secure.ask(get, never)).rejects.toThrow("no connection in 0.03 s");
});

test("an answer that breaks off is an error", async () => {
  const door = await hub((_, response) => {
    response.writeHead(200, { "content-length": 9 }).write("x", () => response.destroy());
  });
  await expect(door.ask(get, never)).rejects.toThrow(/aborted|cut short/);
});

test("what is not HTTP is an error, and nothing more", async () => {
  const listener = createListener((socket) => void socket.on("error", () => undefined).end("SSH-2.0-hello\r\n"));
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  open.push(() => listener.close());
  await expect(client((listener.address() as AddressInfo).port).ask(get, never)).rejects.toThrow(/Parse Error/);
});

test("a kept connection that the hub closed meanwhile costs a new one, not the report", async () => {
  let calls = 0;
  const door = await hub((request, response) => {
    calls++;
    // The second request on a connection finds it closing.
    if (calls === 2) request.socket.resetAndDestroy();
    else response.end(String(calls));
  });
  expect((await door.ask(get, never)).text).toBe("1");
  expect((await door.ask(get, never)).text).toBe("3");
});

test("a hub that is not there is an error with its reason", async () => {
  const listener = createListener();
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  listener.close();
  await once(listener, "close");
  await expect(client(port).ask(get, never)).rejects.toThrow("ECONNREFUSED");
});

test("stops when told", async () => {
  const stop = new AbortController();
  const door = await hub(() => stop.abort());
  await expect(door.ask(get, stop.signal)).rejects.toThrow(/abort/i);
});
