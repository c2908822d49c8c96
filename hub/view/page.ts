import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Context } from "hono";
import { codingFor, weightOf } from "../../proto/accept.ts";
import { Fault } from "../fault.ts";
import { matchesEtag, type View } from "./view.ts";

/** No other host is ever asked for anything: labs are often offline, and a page that names one leaks who watches. */
const policy = [
  "default-src 'self'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'self'",
].join("; ");

const kinds: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".json": "application/json; charset=utf-8",
  ".webmanifest": "application/manifest+json; charset=utf-8",
  ".woff2": "font/woff2",
  ".txt": "text/plain; charset=utf-8",
};

interface Held {
  readonly type: string;
  /** Hash of the file. */
  readonly tag: string;
  readonly identity: Buffer<ArrayBuffer>;
  readonly gzip: Buffer<ArrayBuffer>;
  readonly br: Buffer<ArrayBuffer>;
  /** Its name carries its hash: it never changes. */
  readonly lasting: boolean;
}

/** The page at `/` and its files. */
export const page: View = {
  name: "page",
  async open({ web, version, name }) {
    const shelf = new Shelf(web);
    const serve = (c: Context): Response => shelf.serve(c, c.req.path.slice(1));
    return {
      routes: (app) => {
        app.get("/", (c) => {
          c.header("Vary", "Accept");
          if (wantsJson(c.req.header("accept")))
            return c.json({ message: name() || "GOHM", version, docs_url: "/docs" });
          return shelf.serve(c, "index.html");
        });
        app.get("/host/*", (c) => shelf.serve(c, "index.html"));
        app.get("/:file{[A-Za-z0-9._-]+\\.[a-z0-9]+}", serve);
      },
      close: async () => {},
    };
  },
};

/** A browser names text/html; a program that asks for JSON names it, and not HTML, or likes that less. */
function wantsJson(accept: string | undefined): boolean {
  return weightOf(accept, "application/json") > weightOf(accept, "text/html");
}

/** Files of one folder, each read and packed once. */
class Shelf {
  readonly #folder: string;
  #held = new Map<string, Held>();
  #stamp = "";

  constructor(folder: string) {
    this.#folder = folder;
  }

  serve(c: Context, name: string): Response {
    this.#refresh();
    const held = this.#held.get(name);
    if (held === undefined) {
      if (name === "index.html") return missing();
      throw new Fault("page_unknown", "There is nothing at this path.");
    }
    const coding = codingFor(c.req.header("accept-encoding"), ["br", "gzip"]);
    // A strong tag names bytes: each coding has its own.
    const etag = coding === "identity" ? `"${held.tag}"` : `"${held.tag}-${coding}"`;
    const headers: Record<string, string> = {
      "Content-Security-Policy": policy,
      "Cache-Control": held.lasting ? "public, max-age=31536000, immutable" : "no-cache",
      ETag: etag,
      Vary: "Accept, Accept-Encoding",
    };
    if (matchesEtag(c, etag)) return new Response(null, { status: 304, headers });
    headers["Content-Type"] = held.type;
    if (coding !== "identity") headers["Content-Encoding"] = coding;
    return new Response(held[coding], { headers });
  }

  /** Reads the folder when index.html is another one than before: the page was built again while the hub ran. */
  #refresh(): void {
    let stamp = "";
    try {
      const { ino, size, mtimeMs } = statSync(join(this.#folder, "index.html"));
      stamp = `${ino} ${size} ${mtimeMs}`;
    } catch {
      // Not built: said to whoever asks for the page.
    }
    if (stamp === this.#stamp) return;
    this.#stamp = stamp;
    this.#held = new Map();
    if (stamp === "") return;
    for (const entry of readdirSync(this.#folder, { withFileTypes: true })) {
      const type = kinds[extname(entry.name)];
      if (entry.isFile() && type !== undefined) this.#held.set(entry.name, hold(join(this.#folder, entry.name), type));
    }
  }
}

function hold(path: string, type: string): Held {
  const identity = readFileSync(path);
  return {
    type,
    identity,
    tag: createHash("sha256").update(identity).digest("base64url").slice(0, 22),
    gzip: gzipSync(identity, { level: 9 }),
    br: brotliCompressSync(identity, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }),
    lasting: /-[A-Z0-9]{8}\.[a-z0-9]+$/.test(path),
  };
}

function missing(): Response {
  const body =
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>GOHM</title><h1>The page was not built</h1>' +
    "<p>The hub runs, but its page is not there. Run <code>npm run build</code>, then load this page again.</p></html>";
  return new Response(body, {
    status: 503,
    headers: { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy, "Retry-After": "5" },
  });
}
