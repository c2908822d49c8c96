import * as v from "valibot";
import { signInWays } from "../book/book.ts";
import { required, text } from "./parameter.ts";

const time = v.pipe(v.number(), v.integer());

const exampleSession = {
  id: "9d3c0a41f27be586",
  created: 1_800_000_000_000,
  used: 1_800_003_600_000,
  expires: 1_802_595_600_000,
  origin: "10.0.0.7",
  way: "password",
  agent: "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0",
  current: true,
} as const;

/** A browser in which an account is signed in. */
const listedSession = v.pipe(
  v.object({
    id: v.pipe(v.string(), v.description("Number of the session; no secret.")),
    created: v.pipe(time, v.description("Time of the sign-in, here and below in Unix milliseconds.")),
    used: v.pipe(time, v.description("Time of the last use, to the minute.")),
    expires: v.pipe(time, v.description("When it ends if it is not used again.")),
    origin: v.pipe(v.string(), v.description("Network address of the sign-in.")),
    way: v.pipe(v.picklist(signInWays), v.description("By what it began.")),
    agent: v.pipe(v.string(), v.description("The browser, as its header User-Agent said when it signed in.")),
    current: v.pipe(v.boolean(), v.description("True for the session of this request.")),
  }),
  v.title("Session"),
  v.examples([exampleSession]),
);

/** Sessions of one account, the last used first: at most 1000. */
export const listedSessions = v.pipe(
  v.object({ sessions: v.array(listedSession) }),
  v.title("Sessions"),
  v.examples([{ sessions: [exampleSession] }]),
);

/** The number of a session in a path. */
export const sessionNumber = required(
  "name a session",
  text({ help: "Number of the session, as in the list.", example: exampleSession.id }),
);
