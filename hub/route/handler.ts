import type { Context } from "hono";
import type { GenericSchema, InferOutput } from "valibot";
import type { Actor, RequestHead } from "../who.ts";
import type { ParameterValues } from "./parameter.ts";
import type { ParametersOf, Route, Routes } from "./route.ts";

/** A request to a route, once it was admitted and its parameters and body were read. */
export interface RouteRequest<R extends Route> {
  readonly c: Context;
  readonly head: RequestHead;
  readonly by: Actor;
  /** Who the client is now, for an answer without end: a session may end before it. Undefined if they may no longer use the route. */
  readonly current: () => Actor | undefined;
  /**
   * Finds out anew who the client is, after a wait: a session or token may have ended meanwhile.
   * @throws Fault sign_in_needed, access_denied, book_unusable
   */
  readonly recheck: () => Actor;
  readonly budget: AnswerBudget;
  readonly given: ParameterValues<ParametersOf<R>>;
  readonly body: R extends { readonly body: infer S extends GenericSchema } ? InferOutput<S> : unknown;
}

/** Answers a request; typed as a method, so that a handler of one route is a handler of any route. */
export type Handler<R extends Route = Route> = {
  answer(request: RouteRequest<R>): Response | Promise<Response>;
}["answer"];

/** One handler for each route, by its name. */
export type RouteHandlers<R extends Routes = Routes> = { readonly [K in keyof R]: Handler<R[K]> };

/** Routes with their handlers. */
export interface Served {
  readonly routes: Routes;
  readonly handlers: RouteHandlers;
}

/** Binds handlers to routes: a route without a handler, or a handler without a route, does not compile. */
export const serve = <R extends Routes>(routes: R, handlers: RouteHandlers<NoInfer<R>>): Served => ({
  routes,
  handlers,
});

/** Memory for large answers, shared by all requests. */
export interface AnswerBudget {
  /**
   * Waits until the budget has `bytes` left. The reservation ends when the answer is read or its connection is closed.
   * @throws Fault busy
   */
  reserve(c: Context, bytes: number): Promise<Reservation>;
}

export interface Reservation {
  /** Returns all but `bytes` to the budget. */
  shrink(bytes: number): void;
}
