import type { SessionText } from "../admin.ts";

/** Texts of the browsers in which people are signed in. */
export const sessionText: SessionText = {
  byProxy: "The proxy in front of the hub has signed you in; sign out there.",
  signedInWhere: "Where you are signed in",
  noSessions: "Signed in nowhere.",
  thisBrowser: "this browser",
  unknownBrowser: "Unknown browser",
  signedInFrom: (origin, time) => `signed in from ${origin}: ${time}`,
  signInWays: { password: "with the password", link: "by a link", oidc: "at the provider" },
  endSessionOf: (browser, origin) => `Sign out ${browser} (${origin})`,
  sessionEnded: (browser) => `${browser} was signed out.`,
  browsers: "Browsers",
  browsersOf: (name) => `Browsers of ${name}`,
};
