import { afterEach, expect, test, vi } from "vitest";
import { caller } from "../../call.ts";
import { administer } from "./call.ts";

interface Sent {
  readonly path: string;
  readonly init: RequestInit;
}

function recordRequests(answer: () => Response): Sent[] {
  const sent: Sent[] = [];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    sent.push({ path, init });
    return answer();
  });
  return sent;
}
afterEach(() => {
  vi.unstubAllGlobals();
});

test("a call has the path of its route below the page's own address, and its names are encoded", async () => {
  const sent = recordRequests(() => Response.json({ ok: true }));
  await administer("deleteNode", { name: "../a b/c?d#e%", history: "true" });
  expect(sent[0]).toMatchObject({
    path: "api/v1/admin/nodes/..%2Fa%20b%2Fc%3Fd%23e%25?history=true",
    init: { method: "DELETE", redirect: "manual", headers: { Accept: "application/json" } },
  });
  expect(sent[0]?.init.body).toBeUndefined();
  expect(sent[0]?.init.headers).not.toHaveProperty("Content-Type");
});

test("a body is sent as JSON, in the body alone", async () => {
  const sent = recordRequests(() => Response.json({ account: {}, link: null }));
  await administer("addAccount", { body: { name: "ada", role: "viewer", password: "a secret & more" } });
  expect(sent[0]?.path).toBe("api/v1/admin/accounts");
  expect(sent[0]?.init).toMatchObject({
    method: "POST",
    body: '{"name":"ada","role":"viewer","password":"a secret & more"}',
    headers: { "Content-Type": "application/json" },
  });
});

test("a page with another path than the hub's row does not compile", () => {
  type Rows = {
    readonly me: {
      readonly method: "GET";
      readonly path: "/api/v1/me";
      readonly answer: { "application/json": never };
    };
  } & Record<string, never>;
  // @ts-expect-error: the path of the row is another
  expect(() => caller<Rows>({ me: "GET /api/v1/you" })).not.toThrow();
});
