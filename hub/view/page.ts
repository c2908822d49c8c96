import { createHash } from "node:crypto";
import { lstatSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Context } from "hono";
import { codingFor, weightOf } from "../../program/accept.ts";
import { documentHeaders, pagePolicy } from "../door/document.ts";
import { basePathOf } from "../door/url.ts";
import { Fault } from "../fault.ts";
import { serve } from "../route/handler.ts";
import { pageRoutes } from "../route/page.ts";
import type { RequestHead } from "../who.ts";
import { matchesEtag, type View } from "./view.ts";

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

interface PageFile {
  /** Changes with the file. */
  readonly stamp: string;
  readonly type: string;
  /** Hash of the content. */
  readonly tag: string;
  readonly identity: Buffer<ArrayBuffer>;
  readonly gzip: Buffer<ArrayBuffer>;
  readonly br: Buffer<ArrayBuffer>;
  /** True if the name contains the hash of the content. */
  readonly immutable: boolean;
}

/** The page at `/` and its files. */
export const page: View = {
  name: "page",
  table: {},
  async open({ web, version, name, url, door, identity }) {
    const files = new PageFiles(web);
    const about = (): object => ({ message: name() || "GOHM", version, docs_url: `${basePathOf(url())}/docs` });
    const headersFor = (head: RequestHead) =>
      documentHeaders({ policy: pagePolicy(door().embed), secure: identity.isSecure(head) });
    return {
      routes: serve(pageRoutes, {
        page: ({ c, head }) => {
          c.header("Vary", "Accept");
          if (wantsJson(c.req.header("accept"))) return c.json(about());
          return files.serve(c, "index.html", headersFor(head));
        },
        about: ({ c }) => c.json(about()),
        hostPage: ({ c }) => c.redirect(hostAddress(c.req.url)),
        pageFile: ({ c, head }) => files.serve(c, c.req.path.slice(1), headersFor(head)),
      }),
      close: async () => {},
    };
  },
};

/** True if JSON is preferred to HTML by a client that names it. */
function wantsJson(accept: string | undefined): boolean {
  return weightOf(accept, "application/json") > weightOf(accept, "text/html");
}

/**
 * Returns the address at which the page shows a host, relative to the URL of "/host/{name}": a proxy may serve the hub
 * under a path. The name stays percent-encoded.
 */
function hostAddress(url: string): string {
  const [, , ...rest] = new URL(url).pathname.split("/");
  const name = rest.join("/");
  return `${"../".repeat(rest.length) || "./"}#/${name === "" ? "" : `host/${name}`}`;
}

/** Files of one folder, read and compressed when they are first requested and when they have changed. */
class PageFiles {
  readonly #folder: string;
  readonly #held = new Map<string, PageFile>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @param more headers of the answer */
  serve(c: Context, name: string, more: Readonly<Record<string, string>>): Response {
    const held = this.#take(name);
    if (held === undefined) {
      if (name === "index.html") return missing(more);
      throw new Fault("page_unknown", "There is nothing at this path.");
    }
    const coding = codingFor(c.req.header("accept-encoding"), ["br", "gzip"]);
    // A strong entity tag identifies bytes: each coding has its own.
    const etag = coding === "identity" ? `"${held.tag}"` : `"${held.tag}-${coding}"`;
    const headers: Record<string, string> = {
      ...more,
      "Cache-Control": held.immutable ? "public, max-age=31536000, immutable" : "no-cache",
      ETag: etag,
      Vary: "Accept, Accept-Encoding",
    };
    if (matchesEtag(c, etag)) return new Response(null, { status: 304, headers });
    headers["Content-Type"] = held.type;
    if (coding !== "identity") headers["Content-Encoding"] = coding;
    return new Response(held[coding], { headers });
  }

  /**
   * Reads a file; undefined if it does not exist or has an unknown extension. A build while the hub runs is not atomic, so
   * each file is checked by itself.
   */
  #take(name: string): PageFile | undefined {
    const type = kinds[extname(name)];
    const path = join(this.#folder, name);
    const before = this.#held.get(name);
    try {
      const file = lstatSync(path);
      if (type === undefined || !file.isFile()) return undefined;
      const stamp = `${file.ino} ${file.size} ${file.mtimeMs}`;
      if (before?.stamp === stamp) return before;
      const held = hold(path, type, stamp);
      this.#held.set(name, held);
      return held;
    } catch {
      // Missing, or removed meanwhile: the next request looks again.
      this.#held.delete(name);
      return undefined;
    }
  }
}

function hold(path: string, type: string, stamp: string): PageFile {
  const identity = readFileSync(path);
  return {
    stamp,
    type,
    identity,
    tag: createHash("sha256").update(identity).digest("base64url").slice(0, 22),
    gzip: gzipSync(identity, { level: 9 }),
    br: brotliCompressSync(identity, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }),
    immutable: /-[A-Z0-9]{8}\.[a-z0-9]+$/.test(path),
  };
}

function missing(more: Readonly<Record<string, string>>): Response {
  const body =
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>GOHM</title><h1>The page was not built</h1>' +
    "<p>The hub runs, but its page is not there. Run <code>npm run build</code>, then load this page again.</p></html>";
  return new Response(body, {
    status: 503,
    headers: { "Content-Type": "text/html; charset=utf-8", ...more, "Retry-After": "5" },
  });
}
