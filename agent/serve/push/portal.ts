import { fromBinary } from "@bufbuild/protobuf";
import { type HostInfo, HostInfoSchema } from "../../../proto/gen/host_pb.js";
import type { Log } from "../../source/source.ts";
import type { Answer, Request } from "./client.ts";
import { type Config, parseConfig, parseObject } from "./config.ts";
import { type Body, registration, report, withoutGaps } from "./report.ts";
import { isToken, type Place } from "./token.ts";
import { sampleType, takesSamples, verdict, words } from "./verdict.ts";

/** The hub cannot be reached, or has trouble of its own: to be tried again. */
export class Away extends Error {
  /** Milliseconds until then, where they do not grow. */
  readonly after: number | undefined;

  constructor(message: string, after?: number) {
    super(message);
    this.after = after;
  }
}

/** The hub will have none of us: the message says what its administrator must do. */
export class Ended extends Error {}

export interface PortalOptions {
  readonly server: string;
  /** Name this machine is registered by. */
  readonly hostname: string;
  /** File that holds the token, for messages. */
  readonly path: string;
  readonly log: Log;
  /** One exchange. @throws Away */
  readonly ask: (request: Request) => Promise<Answer>;
}

/** Milliseconds until the configuration is asked for again. */
const again = 5000;

/** The hub as its interface has it: registering, the configuration, reports. */
export class Portal {
  readonly #options: PortalOptions;
  #token: string | undefined;
  #config: Config | undefined;
  /** The hub takes samples as they are. */
  #rich = false;
  /** The hub takes no null. */
  #strict = false;
  #refusal = "";
  /** The configuration may have changed. */
  outdated = true;

  constructor(options: PortalOptions, token: string | undefined) {
    this.#options = options;
    this.#token = token;
  }

  get registered(): boolean {
    return this.#token !== undefined;
  }

  get config(): Config | undefined {
    return this.#config;
  }

  /** Samples go out as they are, each with its own time; else only the newest counts. */
  get rich(): boolean {
    return this.#rich;
  }

  /**
   * Asks for a token and puts it in its place.
   * @throws Away @throws Ended
   */
  async register(info: HostInfo, place: Place): Promise<void> {
    const { server, hostname, path, log } = this.#options;
    const answer = await this.#post("/api/monitoring/register", registration(info, hostname));
    if (answer.status === 409) {
      throw new Ended(
        `${server} knows a node "${hostname}" already, and its token is not in ${path}. Ask the hub's administrator to delete the node or ` +
          `to reset its token, delete ${path} if it is there, and start again; or give this machine another name with --hostname`,
      );
    }
    if (answer.status === 401) {
      throw new Ended(
        `${server} lets nobody register without its administrator's help, and start again after: ${words(answer)}`,
      );
    }
    if (verdict(answer) !== "taken") throw new Away(`it does not register this machine: ${words(answer)}`);
    const { token, status } = parseObject(answer.text) ?? {};
    if (!isToken(token)) throw new Away("its answer to the registration holds no token");
    place.keep({ token, server });
    this.#token = token;
    log.info(`push: registered with ${server} as ${hostname}${typeof status === "string" ? ` (${status})` : ""}`);
  }

  /** @throws Away @throws Ended */
  async configure(): Promise<void> {
    const answer = await this.#options.ask({ method: "GET", path: "/api/monitoring/config", token: this.#token });
    if (answer.status === 401) throw this.#rejected();
    if (verdict(answer) !== "taken") throw new Away(`it gives no configuration: ${words(answer)}`, again);
    try {
      this.#config = parseConfig(answer.text);
    } catch (error) {
      throw new Away(`its configuration cannot be used: ${(error as Error).message}`, again);
    }
    this.outdated = false;
    this.#rich = takesSamples(answer);
  }

  /**
   * Sends one sample, an encoded HostInfo.
   * @returns False when it must be sent again in another form.
   * @throws Away @throws Ended
   */
  async report(sample: Uint8Array): Promise<boolean> {
    const { server, log, ask } = this.#options;
    const path = "/api/monitoring/report";
    const answer = this.#rich
      ? await ask({ method: "POST", path, token: this.#token, type: sampleType, body: sample })
      : await this.#post(path, report(fromBinary(HostInfoSchema, sample)));
    if (answer.status === 401) throw this.#rejected();
    const outcome = verdict(answer);
    if (outcome === "away") throw new Away(`it takes no report: ${words(answer)}`);
    if (this.#rich && answer.status === 415) {
      this.#rich = false;
      return false;
    }
    const refusal = outcome === "refused" ? words(answer) : "";
    if (refusal !== "" && refusal !== this.#refusal) log.warn(`push: ${server}: a report is lost: ${refusal}`);
    this.#refusal = refusal;
    const version = parseObject(answer.text)?.configVersion;
    if (typeof version === "number" && version !== this.#config?.version) this.outdated = true;
    return true;
  }

  #rejected(): Ended {
    const { server, path } = this.#options;
    return new Ended(
      `${server} rejects the token in ${path}. Ask the hub's administrator to delete the node or to reset its token, ` +
        `delete ${path}, and start again`,
    );
  }

  /** POSTs JSON: with null for what is not known, and without that to a hub that takes none. */
  async #post(path: string, body: Body): Promise<Answer> {
    const { server, log, ask } = this.#options;
    const gapless = JSON.stringify(withoutGaps(body));
    const text = this.#strict ? gapless : JSON.stringify(body);
    const send = (json: string): Promise<Answer> =>
      ask({ method: "POST", path, token: this.#token, body: Buffer.from(json, "utf8") });
    const answer = await send(text);
    if (text === gapless || ![400, 422].includes(answer.status)) return answer;
    const second = await send(gapless);
    if (verdict(second) === "taken") {
      this.#strict = true;
      log.warn(`push: ${server} takes no null: devices that lack a reading are left out of its reports`);
    }
    return second;
  }
}
