import { redact } from "../../../program/redact.ts";
import { quoted } from "../../../program/setting.ts";
import { clean } from "../../../proto/clean.ts";
import type { HubAnswer } from "./client.ts";
import { parseObject } from "./config.ts";

/** Content type of protobuf samples. A hub that takes it lists it in Accept-Post, in its answer to /config. */
export const sampleType = "application/x-protobuf; messageType=gpu.HostInfo";

/** Outcome of a request: taken, refused (not to be sent again like this), or away (to be tried again). */
export type PushOutcome = "taken" | "refused" | "away";

export function outcomeOf({ status }: HubAnswer): PushOutcome {
  if (status >= 200 && status < 300) return "taken";
  return [400, 413, 415, 422].includes(status) ? "refused" : "away";
}

/** True if Accept-Post (as the Linked Data Platform defines that header) lists our message. */
export function takesSamples({ headers }: HubAnswer): boolean {
  const ranges = String(headers["accept-post"] ?? "").toLowerCase();
  return ranges.split(",").some((range) => {
    const [type, ...parameters] = range.split(";").map((part) => part.trim().replaceAll('"', ""));
    return type === "application/x-protobuf" && parameters.includes("messagetype=gpu.hostinfo");
  });
}

/** Describes an unexpected answer, with the hub's own message if it has one, without the secrets sent to it. */
export function describeAnswer(answer: HubAnswer, secrets: readonly string[]): string {
  const { status, headers } = answer;
  if (status >= 300 && status < 400) {
    const where = headers.location ? ` to ${JSON.stringify(clean(redact(headers.location, secrets)))}` : "";
    return `it answers with a redirect (${status})${where}, which is not followed: give the address it really has as --server`;
  }
  return `it answers ${status}${reasonIn(answer, ": ", secrets)}`;
}

/**
 * Returns `before` followed by the hub's `error` or `detail`, with the secrets redacted; "" if the answer has neither. The body is
 * read whatever the status is.
 */
export function reasonIn({ text }: HubAnswer, before: string, secrets: readonly string[]): string {
  const { error, detail } = parseObject(redact(text, secrets)) ?? {};
  const said = error ?? detail;
  return said === undefined || said === null ? "" : `${before}${clean(typeof said === "string" ? said : quoted(said))}`;
}
