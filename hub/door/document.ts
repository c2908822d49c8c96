// Headers with which browsers show what the hub sends as documents of their own.

/** Features of browsers that no page of the hub uses, nor a page that is shown in it. Browsers log names that they do not know. */
const unused = [
  ...["accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "fullscreen", "geolocation"],
  ...["gyroscope", "magnetometer", "microphone", "midi", "payment", "picture-in-picture"],
  ...["publickey-credentials-get", "screen-wake-lock", "sync-xhr", "usb", "xr-spatial-tracking"],
];

export interface DocumentOptions {
  /** Its Content-Security-Policy. */
  readonly policy: string;
  /** True if the client asked for it encrypted. Browsers ignore some headers otherwise, and complain of them. */
  readonly secure: boolean;
}

/** Headers of a document: what it may load and use, and that no window of another site has hold of its own. */
export const documentHeaders = ({ policy, secure }: DocumentOptions): Readonly<Record<string, string>> => ({
  "Content-Security-Policy": policy,
  "Permissions-Policy": unused.map((name) => `${name}=()`).join(", "),
  ...(secure ? { "Cross-Origin-Opener-Policy": "same-origin" } : {}),
});

/**
 * Content-Security-Policy of GOHM's page. It allows requests to the hub only: labs are often offline, and a request to another
 * host would leak who watches. No text becomes a script: what makes one of text takes none (Trusted Types).
 * @param embed sites that may show the page (`hub.embed`)
 */
export const pagePolicy = (embed: readonly string[]): string =>
  [
    "default-src 'self'",
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    `frame-ancestors ${["'self'", ...embed].join(" ")}`,
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
