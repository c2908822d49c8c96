import fc from "fast-check";
import { expect, test } from "vitest";
import type { RouteHandlers } from "./handler.ts";
import { read } from "./parameter.ts";
import { restRoutes } from "./rest.ts";
import { call, type Routes } from "./route.ts";

const { history, fleetHistory, hist, health } = restRoutes;

test("a call has the method, path and query of its route: lists with commas, repeated parameters repeated", () => {
  expect(call(health, {})).toEqual({ method: "GET", path: "/api/health", headers: {} });
  const asked = call(history, { host: "a b&c", metric: ["load1", "gpu_power"], key: ["GPU-1", "/mnt"], step: 0 });
  expect(asked.path).toBe("/api/history?host=a+b%26c&metric=load1,gpu_power&key=GPU-1&key=%2Fmnt&step=0");
});

test("names in braces are filled from the arguments, escaped, and are not in the query; a body is JSON", () => {
  const node = {
    ...{ method: "PUT", path: "/nodes/{name}/config", needs: "admin", tag: "t", summary: "", answer: {}, refuses: [] },
    params: { name: restRoutes.pk.params.host, dry: restRoutes.pk.params.type },
  } as const satisfies Routes[string];
  expect(call(node, { name: "a/b?", dry: "1" }, { interval: 5 })).toEqual({
    method: "PUT",
    path: "/nodes/a%2Fb%3F/config?dry=1",
    headers: { "Content-Type": "application/json" },
    body: '{"interval":5}',
  });
});

test("what a client calls with is what a handler gets", () => {
  const texts = fc.string({ minLength: 1, unit: "binary" }).filter((one) => !one.includes(",") && one.isWellFormed());
  fc.assert(
    fc.property(
      texts,
      fc.uniqueArray(texts, { minLength: 1 }),
      fc.array(texts),
      fc.nat(),
      (host, metric, key, from) => {
        const { path } = call(history, { host, metric, key, from });
        const query = new URL(path, "http://hub").searchParams;
        const given = (name: keyof typeof history.params) => read(name, history.params[name], query.getAll(name));
        expect([given("host"), given("metric"), given("key"), given("from")]).toEqual([host, metric, key, from]);
      },
    ),
  );
});

test.each([
  [history, "host", [], "is missing: it must name a server."],
  [history, "metric", [","], "is missing: it must be names with commas between."],
  [fleetHistory, "metric", [""], "is missing: it must be one name."],
  [history, "level", ["rack"], 'must be one of host, gpu, disk, nic: it is "rack".'],
  [history, "from", ["1.5"], 'must be a whole number of milliseconds: it is "1.5".'],
  [history, "to", ["9".repeat(400)], "must be a whole number of milliseconds"],
  [history, "most", ["0"], 'must be a whole number from 1: it is "0".'],
  [history, "most", ["1e999"], 'must be a whole number from 1: it is "1e999".'],
  [history, "of", ["avg,median"], 'must be names out of avg,min,max,last,p95,count: it is "avg,median".'],
  [hist, "step", ["1e3"], 'must be a whole number of nanoseconds: it is "1e3".'],
  [history, "host", ["a", "b"], "may have one value: it has 2."],
] as const)("%o refuses %s of %j, in words", (route, name, given, message) => {
  const parameter = (route.params as Routes[string]["params"])?.[name];
  expect(() => parameter && read(name, parameter, given)).toThrow(`The parameter "${name}" ${message}`);
});

test("a route without a handler, and a handler without a route, do not compile", () => {
  const handler = () => new Response();
  const complete: RouteHandlers<typeof restRoutes> = {
    ...{ history: handler, fleetHistory: handler, pk: handler, hist: handler, health: handler },
  };
  // @ts-expect-error there is no handler of "health"
  const less: RouteHandlers<typeof restRoutes> = {
    history: handler,
    fleetHistory: handler,
    pk: handler,
    hist: handler,
  };
  // @ts-expect-error there is no route "other"
  const more: RouteHandlers<typeof restRoutes> = { ...complete, other: handler };
  // @ts-expect-error "host" is required
  call(history, { metric: "load1" });
  expect([less, more]).toHaveLength(2);
});
