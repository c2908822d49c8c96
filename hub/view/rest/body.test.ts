import { get, type IncomingMessage, request } from "node:http";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { silent } from "../../log.ts";
import { application, listen, type Web } from "../http.ts";
import { answer } from "./body.ts";

const piece = Buffer.alloc(1_000_000, "x");
/** A gigabyte: far more than lies between two programs. */
const pieces = 1000;

let web: Web;
let made = 0;
let ended = false;

async function* long(): AsyncGenerator<Uint8Array> {
  try {
    for (made = 0; made < pieces; made++) yield piece;
  } finally {
    ended = true;
  }
}

beforeEach(async () => {
  ended = false;
  const view = {
    routes: (app: ReturnType<typeof application>) => void app.get("/long", (c) => answer(c, long(), {})),
    close: async () => {},
  };
  web = await listen(application([view], silent), { address: "127.0.0.1:0", names: () => [], log: silent });
});

afterEach(() => web.close());

const begun = (): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    get(`http://127.0.0.1:${web.port}/long`, resolve).on("error", reject);
  });

test("a long answer is made as its reader takes it, and no further once the reader is gone", async () => {
  const answered = await begun();
  const read = await new Promise<number>((resolve) => {
    let size = 0;
    answered.on("data", (part: Buffer) => {
      size += part.length;
      // Far beyond what was there from the beginning.
      if (size > 50 * piece.length) {
        answered.pause();
        resolve(size);
      }
    });
  });
  expect(made).toBeGreaterThanOrEqual(Math.floor(read / piece.length));
  expect(ended).toBe(false);
  answered.destroy();
  await vi.waitFor(() => expect(ended).toBe(true));
  expect(made).toBeLessThan(pieces);
});

test("who asks for the headers of a long answer alone leaves nothing of it behind", async () => {
  const status = await new Promise((resolve, reject) => {
    request(`http://127.0.0.1:${web.port}/long`, { method: "HEAD" }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode));
    })
      .on("error", reject)
      .end();
  });
  expect([status, ended, made < pieces]).toEqual([200, true, true]);
});
