import { clean, hidden } from "../../../proto/clean.ts";
import type { Capabilities } from "../../book/book.ts";
import { Fault } from "../../fault.ts";
import {
  given,
  type JsonLimits,
  type JsonObject,
  numberOf,
  objectOf,
  objectsIn,
  parseJson,
  textOf,
  wholeOf,
} from "../../push/json.ts";
import type { Registration } from "../../push/registrar.ts";

const limits: JsonLimits = { depth: 8, values: 8000 };

/** Most devices of a kind that are listed: more than a person can choose from. */
const mostListed = 128;
/** Most bytes of a mount, as history cuts its name. */
const longestMount = 256;
const longestName = 128;
const longestSecret = 1024;
/** Most bytes of capabilities as JSON, somewhat below the book's limit. */
const mostBytes = 60_000;

/** Letters and digits of any language; signs only where no program could take them for something else. */
const hostName = /^[\p{L}\p{N}_][\p{L}\p{M}\p{N} ._()-]{0,63}$/u;

/**
 * @param claim is called with the host name as it was sent, before it is checked
 * @throws Fault bad_request
 */
export function parseRegistration(bytes: Buffer, claim: (name: string) => void = () => {}): Registration {
  const body = objectOf(parseJson(bytes, limits));
  if (body === undefined) throw wrong("The body", "a JSON object");
  const { hostname, secret } = body;
  if (typeof hostname === "string") claim(hostname);
  const capabilities = objectOf(body.capabilities);
  if (capabilities === undefined) throw wrong(`The body's "capabilities"`, "an object");
  return {
    hostname: hostNameOf(hostname),
    capabilities: shortened(capabilitiesOf(capabilities)),
    secret: typeof secret === "string" && secret.length <= longestSecret ? secret : "",
  };
}

/** @throws Fault bad_request */
function hostNameOf(value: unknown): string {
  const name = typeof value === "string" && value.length <= 1024 ? value.normalize("NFC").trim() : "";
  if (hostName.test(name) && name.search(hidden) < 0) return name;
  const given = typeof value === "string" ? `: it is ${JSON.stringify(clean(value, 64))}` : "";
  throw wrong(
    `The body's "hostname"`,
    `a text of 1 to 64 letters, digits, spaces, dots, underscores, hyphens and parentheses${given}`,
  );
}

const wrong = (what: string, wanted: string): Fault => new Fault("bad_request", `${what} must be ${wanted}.`);

/** Leaves out the last entries of the longest list until the book can store all of them. */
function shortened(all: Capabilities): Capabilities {
  let { gpus, disks, nics } = all;
  for (;;) {
    const short = { ...all, gpus, disks, nics };
    if (Buffer.byteLength(JSON.stringify(short)) <= mostBytes) return short;
    const longest = Math.max(gpus.length, disks.length, nics.length);
    const cut = <T>(list: readonly T[]): readonly T[] => (list.length === longest ? list.slice(0, -8) : list);
    [gpus, disks, nics] = [cut(gpus), cut(disks), cut(nics)];
  }
}

function capabilitiesOf({ cpuCores, memoryTotalGB, gpus, disks, nics }: JsonObject): Capabilities {
  return {
    ...given("cpuCores", wholeOf(cpuCores, 1e6)),
    ...given("memoryTotalGB", numberOf(memoryTotalGB, 1e9)),
    gpus: objectsIn(gpus, mostListed).flatMap(({ index, name, memoryTotalMB }) => {
      const at = wholeOf(index, 999_999);
      if (at === undefined) return [];
      return {
        index: at,
        name: textOf(name, longestName) ?? "",
        ...given("memoryTotalMB", numberOf(memoryTotalMB, 1e9)),
      };
    }),
    disks: objectsIn(disks, mostListed).flatMap(({ mount, totalGB }) => {
      const at = textOf(mount, longestMount);
      return at === undefined ? [] : { mount: at, ...given("totalGB", numberOf(totalGB, 1e12)) };
    }),
    nics: objectsIn(nics, mostListed).flatMap(({ name, ipv4 }) => {
      const at = textOf(name, longestName);
      return at === undefined ? [] : { name: at, ipv4: textOf(ipv4, 64) ?? "" };
    }),
  };
}
