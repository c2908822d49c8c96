// A request of a simulated machine that pushes.
import { type Agent, request } from "node:http";

export interface Posted {
  /** 0 if the hub does not answer. */
  readonly status: number;
  readonly text: string;
}

/** Sends a body. @param agent keeps a connection; without one each request has its own */
export function post(
  url: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
  agent: Agent | false = false,
): Promise<Posted> {
  return new Promise((resolve) => {
    const all = { ...headers, "content-length": body.length };
    const sent = request(url, { method: "POST", agent, headers: all }, (response) => {
      const status = response.statusCode ?? 0;
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      response.on("error", () => resolve({ status, text }));
      response.on("end", () => resolve({ status, text }));
    });
    sent.on("error", () => resolve({ status: 0, text: "" }));
    sent.end(body);
  });
}
