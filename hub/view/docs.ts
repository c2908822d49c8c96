import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { Context } from "hono";
import { codingFor } from "../../program/accept.ts";
import { documentHeaders } from "../door/document.ts";
import { Fault } from "../fault.ts";
import { docsRoutes } from "../route/docs.ts";
import { type AnswerBudget, type RouteRequest, serve } from "../route/handler.ts";
import { matchesEtag, type View } from "./view.ts";

/**
 * What a page may load: its own files, and images in its style sheets. Neither works with Trusted Types, as both fill elements
 * with HTML that they make (docs/decisions/0074-behind-proxies.md). @param more of it
 */
const policy = ({ style = "", worker = "" }): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self'${style}`,
    "img-src 'self' data:",
    "connect-src 'self'",
    ...(worker === "" ? [] : [`worker-src ${worker}`]),
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");

const swaggerPolicy = policy({});

/**
 * ReDoc has two style elements: one that styled-components fills by script, whose hash is that of the empty text, and one of
 * its scroll bar. It searches in a worker.
 */
const redocPolicy = policy({
  style: " 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='",
  worker: "blob:",
});

const kinds: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
};

interface DocsFile {
  /** Changes with the file. */
  readonly stamp: string;
  /** Hash of the content. */
  readonly tag: string;
  /** The content, compressed by gzip. */
  readonly packed: Buffer<ArrayBuffer>;
}

type DocsRequest = Pick<RouteRequest<typeof docsRoutes.docs>, "c" | "budget" | "head">;

/** The interface of the hub in Swagger UI and ReDoc, from files of its own: labs are often offline. */
export const docs: View = {
  name: "docs",
  table: {},
  async open({ web, identity }) {
    const files = new DocsFiles(join(web, "docs"));
    const page = async ({ c, budget, head }: DocsRequest, name: string, policy: string): Promise<Response> => {
      const answer = (await files.serve(c, budget, name)) ?? missing();
      const headers = documentHeaders({ policy, secure: identity.isSecure(head) });
      for (const [key, value] of Object.entries(headers)) answer.headers.set(key, value);
      return answer;
    };
    return {
      routes: serve(docsRoutes, {
        docs: (request) => page(request, "swagger.html", swaggerPolicy),
        redoc: (request) => page(request, "redoc.html", redocPolicy),
        docsFile: async ({ c, budget, given }) => {
          const answer = await files.serve(c, budget, given.file ?? "");
          if (answer === undefined) throw new Fault("page_unknown", "There is nothing at this path.");
          return answer;
        },
      }),
      close: async () => {},
    };
  },
};

const unpack = promisify(gunzip);

/** Compressed files of one folder ("start.js.gz" is the file start.js), read when they are first requested and when they have changed. */
class DocsFiles {
  readonly #folder: string;
  readonly #held = new Map<string, DocsFile>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Returns undefined for a file that does not exist. @throws Fault busy */
  async serve(c: Context, budget: AnswerBudget, name: string): Promise<Response | undefined> {
    const type = kinds[extname(name)];
    const held = type === undefined ? undefined : await this.#take(`${name}.gz`);
    if (type === undefined || held === undefined) return undefined;
    const coding = codingFor(c.req.header("accept-encoding"), ["gzip"]);
    // A strong entity tag identifies bytes: each coding has its own.
    const etag = coding === "identity" ? `"${held.tag}"` : `"${held.tag}-${coding}"`;
    const headers: Record<string, string> = { "Cache-Control": "no-cache", ETag: etag, Vary: "Accept-Encoding" };
    if (matchesEtag(c, etag)) return new Response(null, { status: 304, headers });
    headers["Content-Type"] = type;
    if (coding === "gzip") {
      headers["Content-Encoding"] = coding;
      return new Response(held.packed, { headers });
    }
    // A client that reads slowly holds it in memory, each one its own. gzip has the length at its end.
    await budget.reserve(c, held.packed.readUInt32LE(held.packed.length - 4));
    return new Response(await unpack(held.packed), { headers });
  }

  /** Reads a file; undefined if it does not exist. */
  async #take(name: string): Promise<DocsFile | undefined> {
    const path = join(this.#folder, name);
    const before = this.#held.get(name);
    try {
      const { ino, size, mtimeMs } = await stat(path);
      const stamp = `${ino} ${size} ${mtimeMs}`;
      if (before?.stamp === stamp) return before;
      const packed = await readFile(path);
      const tag = createHash("sha256").update(packed).digest("base64url").slice(0, 22);
      const held = { stamp, tag, packed };
      this.#held.set(name, held);
      return held;
    } catch {
      // Missing, or removed meanwhile: the next request looks again.
      this.#held.delete(name);
      return undefined;
    }
  }
}

function missing(): Response {
  const body =
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>GOHM</title><h1>The page was not built</h1>' +
    "<p>The hub runs, but this page is not there. Run <code>npm run build</code>, then load it again.</p></html>";
  return new Response(body, {
    status: 503,
    headers: { "Content-Type": "text/html; charset=utf-8", "Retry-After": "5" },
  });
}
