import type { UploadAnswer } from "../../upload/client.ts";

/** Content type of protobuf samples. A hub that takes it lists it in Accept-Post, in its answer to /config. */
export const sampleType = "application/x-protobuf; messageType=gpu.HostInfo";

/** Outcome of a request: taken, refused (not to be sent again like this), or away (to be tried again). */
export type PushOutcome = "taken" | "refused" | "away";

export function outcomeOf({ status }: UploadAnswer): PushOutcome {
  if (status >= 200 && status < 300) return "taken";
  return [400, 413, 415, 422].includes(status) ? "refused" : "away";
}

/** True if Accept-Post (as the Linked Data Platform defines that header) lists our message. */
export function takesSamples({ headers }: UploadAnswer): boolean {
  const ranges = String(headers["accept-post"] ?? "").toLowerCase();
  return ranges.split(",").some((range) => {
    const [type, ...parameters] = range.split(";").map((part) => part.trim().replaceAll('"', ""));
    return type === "application/x-protobuf" && parameters.includes("messagetype=gpu.hostinfo");
  });
}
