import type { Arguments, JsonAnswer, JsonBody, JsonRoute } from "../hub/route/route.ts";
import { fetchJson } from "./ask.ts";

type Rows = Readonly<Record<string, JsonRoute>>;

/**
 * Method and path of each route of a group. The hub's rows say the same in their types, so that a page with another path
 * does not compile; the rows themselves are not part of the page.
 */
export type Places<R extends Rows> = { readonly [N in keyof R]: `${R[N]["method"]} ${R[N]["path"]}` };

/** What a request carries: values for its parameters and a body, where the route has them. */
type Sent<R extends JsonRoute> = Arguments<R> &
  (JsonBody<R> extends undefined ? unknown : { readonly body: JsonBody<R> });

/** @throws SignIn, Refusal, or Error if the hub cannot be reached */
export type Caller<R extends Rows> = <N extends keyof R & string>(
  name: N,
  sent: Sent<R[N]>,
  stop?: AbortSignal,
) => Promise<JsonAnswer<R[N]>>;

/** Makes a function that calls the routes of a group by their names. */
export function caller<R extends Rows>(places: Places<R>): Caller<R> {
  return async (name, sent, stop = new AbortController().signal) => {
    const [method = "", path = ""] = (places[name] as string).split(" ");
    const { body, ...given } = sent as { body?: unknown } & Record<string, string | number>;
    const where = new Map(Object.entries(given));
    // Relative, because a proxy may serve the hub under a path.
    const filled = path.slice(1).replace(/\{(\w+)\}/g, (_, key: string) => {
      const value = String(where.get(key) ?? "");
      where.delete(key);
      return encodeURIComponent(value);
    });
    const query = new URLSearchParams([...where].map(([key, value]) => [key, String(value)]));
    const address = where.size > 0 ? `${filled}?${query}` : filled;
    return (await fetchJson(method, address, body, stop)) as JsonAnswer<R[typeof name]>;
  };
}
