import { fromBinary } from "@bufbuild/protobuf";
import { redact } from "../../../program/redact.ts";
import { clean } from "../../../proto/clean.ts";
import { type HostInfo, HostInfoSchema } from "../../../proto/gen/host_pb.js";
import type { Log } from "../../source/source.ts";
import { describeAnswer, parseObject, reasonIn } from "../../upload/answer.ts";
import type { UploadAnswer, UploadRequest } from "../../upload/client.ts";
import { parseConfig, type ReportConfig } from "./config.ts";
import { isToken, type TokenFile } from "./credentials.ts";
import { outcomeOf, sampleType, takesSamples } from "./outcome.ts";
import { type ReportBody, registration, report, shortened, withoutNulls } from "./report.ts";

/** The hub cannot be reached or does not work at the moment: to be tried again. */
export class HubUnavailable extends Error {
  /** Milliseconds until the next attempt; undefined for the growing backoff. */
  readonly after: number | undefined;

  constructor(message: string, after?: number) {
    super(message);
    this.after = after;
  }
}

/** The hub rejected this agent; the message says what its administrator must do. */
export class HubRejection extends Error {}

export interface PortalOptions {
  readonly server: string;
  /** Name under which this machine is registered. */
  readonly hostname: string;
  /** File that holds the token, for messages. */
  readonly path: string;
  /** Secret for registrations; "" for none. */
  readonly secret: string;
  readonly log: Log;
  /** One exchange. @throws HubUnavailable */
  readonly ask: (request: UploadRequest) => Promise<UploadAnswer>;
}

/** Time until the configuration is requested again. */
const configRetryMs = 5000;

/** Advice that lets a taken name register. The first portals keep a node whose token is reset, and still answer 409. */
const remedy =
  "Ask the hub's administrator to delete the node or to reset its token (where a reset alone ends in 409, the node must be deleted)";

/** Size limit of the first portals' requests, in bytes. */
const most = 100 * 1024;

/** Form of the JSON bodies; a hub that refuses the full form gets another. */
interface JsonForm {
  /** Without null. */
  readonly gapless: boolean;
  /** In `most` bytes. */
  readonly short: boolean;
}

const encode = (body: ReportBody, { gapless, short }: JsonForm): string => {
  const sent = gapless ? withoutNulls(body) : body;
  return JSON.stringify(short ? shortened(sent, most) : sent);
};

/** Returns the form to try after a refusal. */
function other(form: JsonForm, { status }: UploadAnswer): JsonForm {
  if (status === 413) return { ...form, short: true };
  return status === 400 || status === 422 ? { ...form, gapless: true } : form;
}

/** Client of a hub's monitoring interface: registration, configuration, reports. */
export class Portal {
  readonly #options: PortalOptions;
  #token: string | undefined;
  #config: ReportConfig | undefined;
  /** True if the hub takes samples as protobuf. */
  #rich = false;
  /** True if the hub announced that, but refused a sample: JSON is sent until the next configuration. */
  #plain = false;
  /** `configVersion` in the answer to the last report; the configuration itself has none. */
  #version: number | undefined;
  /** True once a report has been sent. */
  #begun = false;
  #form: JsonForm = { gapless: false, short: false };
  #refusal = "";
  /** True if the configuration must be fetched: at the start, and after a report's answer with another version. */
  #outdated = true;

  constructor(options: PortalOptions, token: string | undefined) {
    this.#options = options;
    this.#token = token;
  }

  /** Secrets sent to the hub, which its answers must not bring into a message. */
  get #secrets(): string[] {
    return [this.#token ?? "", this.#options.secret];
  }

  #words(answer: UploadAnswer): string {
    return describeAnswer(answer, this.#secrets, "--server");
  }

  #said(answer: UploadAnswer): string {
    return reasonIn(answer, ". It says: ", this.#secrets);
  }

  get registered(): boolean {
    return this.#token !== undefined;
  }

  get outdated(): boolean {
    return this.#outdated;
  }

  /** Called after an outage. A hub that took samples may have been replaced by one that does not: its configuration is fetched again. */
  interrupted(): void {
    this.#plain = false;
    if (this.#rich) this.#outdated = true;
  }

  get config(): ReportConfig | undefined {
    return this.#config;
  }

  /** True if samples are sent as protobuf, each with its own time; otherwise only the newest counts. */
  get rich(): boolean {
    return this.#rich;
  }

  /**
   * Registers and stores the token.
   * @throws HubUnavailable @throws HubRejection
   */
  async register(info: HostInfo, file: TokenFile): Promise<void> {
    const { server, hostname, path, secret, log } = this.#options;
    const body = { ...registration(info, hostname), ...(secret !== "" && { secret }) };
    const answer = await this.#post("/api/monitoring/register", body);
    if (answer.status === 409) {
      throw new HubRejection(
        `${server} knows a node "${hostname}" already, and its token is not in ${path}. ${remedy}, ` +
          `delete ${path} if it is there, and start again; or give this machine another name with --hostname${this.#said(answer)}`,
      );
    }
    if (answer.status === 403) {
      const given = secret === "" ? "none is given" : "the one given is not it";
      throw new HubRejection(
        `${server} registers only machines that show its registration secret, and ${given}. Ask the hub's ` +
          `administrator for it, give it with GOHM_SECRET_FILE, GOHM_SECRET or --secret, and start again${this.#said(answer)}`,
      );
    }
    if (answer.status === 401) {
      throw new HubRejection(
        `${server} lets nobody register without its administrator's help, and start again after: ${this.#words(answer)}`,
      );
    }
    if (outcomeOf(answer) !== "taken")
      throw new HubUnavailable(`it does not register this machine: ${this.#words(answer)}`);
    const { token, status, message } = parseObject(answer.text) ?? {};
    if (!isToken(token)) {
      throw new HubUnavailable(`its answer to the registration holds no token${reasonIn(answer, ": ", this.#secrets)}`);
    }
    file.write({ token, server });
    this.#token = token;
    const words = (text: unknown, around: (said: string) => string): string =>
      typeof text === "string" && text !== "" ? around(clean(redact(text, [token, ...this.#secrets]))) : "";
    log.info(
      `push: registered with ${server} as ${hostname}${words(status, (said) => ` (${said})`)}${words(message, (said) => `: ${said}`)}`,
    );
  }

  /** @throws HubUnavailable @throws HubRejection */
  async configure(): Promise<void> {
    const answer = await this.#options.ask({ method: "GET", path: "/api/monitoring/config", token: this.#token });
    if (answer.status === 401) throw this.#rejected(answer);
    if (outcomeOf(answer) !== "taken")
      throw new HubUnavailable(`it gives no configuration: ${this.#words(answer)}`, configRetryMs);
    try {
      this.#config = parseConfig(answer.text);
    } catch (error) {
      throw new HubUnavailable(`its configuration cannot be used: ${(error as Error).message}`, configRetryMs);
    }
    this.#outdated = false;
    this.#plain = false;
    this.#rich = takesSamples(answer);
  }

  /**
   * Sends one sample, an encoded HostInfo.
   * @returns False if it must be sent again in another form.
   * @throws HubUnavailable @throws HubRejection
   */
  async report(sample: Uint8Array): Promise<boolean> {
    const { server, log, ask } = this.#options;
    const path = "/api/monitoring/report";
    const sent = this.#rich;
    const answer = sent
      ? await ask({ method: "POST", path, token: this.#token, type: sampleType, body: sample })
      : await this.#post(path, report(fromBinary(HostInfoSchema, sample), { first: !this.#begun }));
    if (answer.status === 401) throw this.#rejected(answer);
    const outcome = outcomeOf(answer);
    if (outcome === "away") throw new HubUnavailable(`it takes no report: ${this.#words(answer)}`);
    if (sent && answer.status === 415) {
      this.#plain = true;
      this.#rich = false;
      return false;
    }
    this.#begun = true;
    const refusal = outcome === "refused" ? this.#words(answer) : "";
    if (refusal !== "" && refusal !== this.#refusal) log.warn(`push: ${server}: a report is lost: ${refusal}`);
    this.#refusal = refusal;
    if (outcome === "taken") this.#compare(parseObject(answer.text)?.configVersion);
    if (sent || this.#plain || !takesSamples(answer)) return true;
    // A portal was replaced by a hub that takes samples: it gets the waiting ones, and this one with its time.
    this.#rich = true;
    return false;
  }

  /** The first version belongs to the configuration that was fetched at the start; another one, to a newer configuration. */
  #compare(version: unknown): void {
    if (typeof version !== "number") return;
    if (this.#version !== undefined && version !== this.#version) this.#outdated = true;
    this.#version = version;
  }

  #rejected(answer: UploadAnswer): HubRejection {
    const { server, path } = this.#options;
    return new HubRejection(
      `${server} rejects the token in ${path}, as after an administrator deleted this machine or reset its token. ` +
        `To register it again, delete ${path}, and start again${this.#said(answer)}`,
    );
  }

  /** POSTs JSON, and again in another form if the hub refuses it; an accepted form is used from then on. */
  async #post(path: string, body: ReportBody): Promise<UploadAnswer> {
    const { server, log, ask } = this.#options;
    const send = (json: string): Promise<UploadAnswer> =>
      ask({ method: "POST", path, token: this.#token, body: Buffer.from(json, "utf8") });
    const first = encode(body, this.#form);
    const answer = await send(first);
    const form = other(this.#form, answer);
    const second = encode(body, form);
    if (second === first) return answer;
    const last = await send(second);
    if (outcomeOf(last) !== "taken") return last;
    if (form.gapless && !this.#form.gapless) {
      log.warn(`push: ${server} takes no null: devices that lack a reading are left out of its reports`);
    }
    if (form.short && !this.#form.short) {
      log.warn(
        `push: ${server} takes no long reports: what is over ${most / 1024} KiB is left out of their longest lists`,
      );
    }
    this.#form = form;
    return last;
  }
}
