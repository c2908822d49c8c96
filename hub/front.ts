import { isIP } from "node:net";
import { Certificate, type TlsFiles, usesTls } from "../program/certificate.ts";
import { type NetworkList, networksIn } from "../program/network.ts";
import type { Clock } from "./clock.ts";
import type { DoorSettings } from "./door/settings.ts";
import type { Live } from "./live.ts";
import type { Log } from "./log.ts";
import { notice } from "./notice.ts";

/** Time between two looks at the certificate. */
const lookMs = 60_000;
const day = 86_400_000;
/** An administrator hears so long before the end of a certificate. */
const warningMs = 14 * day;
/** One that is issued for days only is renewed later: an administrator hears in this last part of its time. */
const lastPart = 1 / 3;

/**
 * Time for which browsers ask a host name by https only, in seconds. It concerns every port of the name, and nobody can then
 * pass over a certificate that is not valid.
 */
const strictSeconds = 30 * 86_400;

/** The settings that concern the hub's ports. */
export interface FrontSettings {
  readonly door: DoorSettings;
  /** Address at which people open the page; "" if it is not set. */
  readonly url: string;
}

export interface FrontOptions {
  readonly settings: FrontSettings;
  readonly notice: Live["notice"];
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds, monotonic. */
  readonly ticks?: () => number;
  /** Authorities (PEM) that browsers know; by default those that come with Node. */
  readonly roots?: readonly string[];
}

/** What the ports of the hub have in common: who may connect, and with which certificate they are encrypted. */
export interface FrontView {
  /** The certificate; undefined if connections are not encrypted. */
  certificate(): Certificate | undefined;
  /** True if an address may connect. */
  allows(address: string): boolean;
  /** Value of the header Strict-Transport-Security of an encrypted answer to a request with this host name; undefined for none. */
  strictTransport(name: string): string | undefined;
  /** Calls `listener` when other addresses may connect. */
  onChange(listener: () => void): void;
}

/** Follows the settings of the hub's ports, and the files of its certificate. */
export class Front implements FrontView {
  readonly #options: FrontOptions;
  readonly #ticks: () => number;
  readonly #listeners: (() => void)[] = [];
  #settings: FrontSettings;
  #allowed: NetworkList | undefined;
  #certificate: Certificate | undefined;
  /** Why the certificate of the settings cannot be used, while another one is. */
  #refused: string | undefined;
  #said = "";
  #cancel = (): void => {};

  /** @throws SettingError if the certificate cannot be used */
  constructor(options: FrontOptions) {
    this.#options = options;
    this.#ticks = options.ticks ?? (() => performance.now());
    this.#settings = options.settings;
    this.#read(options.settings.door);
    this.#certificate = this.#open(options.settings.door);
    this.#look();
  }

  certificate(): Certificate | undefined {
    return this.#certificate;
  }

  allows(address: string): boolean {
    return this.#allowed?.has(address) ?? true;
  }

  /**
   * Only where the settings promise https on the default port of a public name, and a certificate that every browser accepts
   * is shown for it: otherwise the promise could lock people out of the hub, or of another service of the machine.
   */
  strictTransport(name: string): string | undefined {
    const { url } = this.#settings;
    const certificate = this.#certificate;
    if (certificate === undefined || !/^https:/i.test(url)) return undefined;
    const { hostname, port } = new URL(url);
    if (port !== "" || hostname !== name || isIP(name) !== 0) return undefined;
    return certificate.covers(name) && certificate.isPublic() ? `max-age=${strictSeconds}` : undefined;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Applies new settings. A certificate that cannot be used leaves the one before in effect. */
  change(settings: FrontSettings): void {
    const { tlsCert, tlsKey, allow } = this.#settings.door;
    const { door } = settings;
    this.#settings = settings;
    this.#read(door);
    if (door.tlsCert !== tlsCert || door.tlsKey !== tlsKey || this.#refused !== undefined) {
      try {
        this.#certificate = this.#open(door);
        this.#refused = undefined;
      } catch (error) {
        this.#refused = (error as Error).message;
        this.#options.log.error(`${this.#refused}; what was in effect before goes on`);
      }
      this.#look();
    }
    if (door.allow !== allow) for (const listener of this.#listeners) listener();
  }

  close(): void {
    this.#cancel();
  }

  #read({ allow }: DoorSettings): void {
    this.#allowed = allow.trim() === "" ? undefined : networksIn(allow);
  }

  /** @throws SettingError */
  #open(settings: DoorSettings): Certificate | undefined {
    const { log, roots } = this.#options;
    const files = filesOf(settings);
    const options = { log: (line: string) => log.warn(line), ticks: this.#ticks, ...(roots && { roots }) };
    return usesTls(files) ? new Certificate(files, options) : undefined;
  }

  /** Loads a renewed certificate, also while nobody connects, and tells administrators what is wrong with it. */
  #look(): void {
    this.#cancel();
    this.#certificate?.renew();
    const { clock, log } = this.#options;
    const problem = this.#refused ?? this.#certificate?.problem;
    this.#options.notice(
      "certificate file",
      problem === undefined ? undefined : notice("certificate_unusable", { message: problem }),
    );
    const sentence = this.#certificate === undefined ? undefined : this.#timely(this.#certificate);
    this.#options.notice("certificate", sentence);
    // Each sentence once: it changes with the certificate, and on the day that it ends.
    const text = sentence?.text ?? "";
    if (text !== "" && text !== this.#said) log.warn(text);
    this.#said = text;
    if (this.#certificate !== undefined) this.#cancel = clock.after(lookMs, () => this.#look());
  }

  #timely({ files, validity: { from, to } }: Certificate): ReturnType<typeof notice> | undefined {
    const now = this.#options.clock.now();
    const { path } = files.cert;
    if (now < from || now >= to) return notice("certificate_invalid", { path, from, to });
    if (now >= to - Math.min(warningMs, (to - from) * lastPart)) return notice("certificate_ends", { path, to });
    return undefined;
  }
}

/** Files of the certificate that the settings name. */
const filesOf = ({ tlsCert, tlsKey }: DoorSettings): TlsFiles => ({
  cert: { path: tlsCert, setting: "GOHM_HUB_TLS_CERT" },
  key: { path: tlsKey, setting: "GOHM_HUB_TLS_KEY" },
  clientCa: { path: "", setting: "" },
});
