/**
 * A typed client of a Folio server, for any place that has `fetch`: its types come from the modules that the
 * server runs, with no code generation, and none of the modules' code comes with them.
 *
 * @example
 * ```ts no-run
 * import { createClient } from "folio/client";
 * import type modules from "../actors/mod.ts";
 *
 * const client = createClient<typeof modules>("http://localhost:8000");
 * await client.account("alice").open({ owner: "Alice" });
 * const result = await client.account("alice").withdraw({ amount: 5 });
 * if (result.ok) console.log(result.reply.balance);
 * else if (result.rejection.code === "insufficient-funds") console.log(result.rejection.details.balance);
 * await client.sagas.transfer("t1").start({ from: "alice", to: "bob", amount: 5 });
 * const { status } = await client.sagas.transfer("t1").ended();
 * const { rows } = await client.after(result).projections.balances.byOwner({ owner: "Alice" });
 * ```
 *
 * @module
 */
import { askCommand, type Command, sendCommand } from "./client/commands.ts";
import { askQuery, kebabCase, laterOf, type QueryOptions } from "./client/projections.ts";
import { findMessage, followEvents, readEvents, readState } from "./client/reads.ts";
import { sagaClient } from "./client/sagas.ts";
import { Transport } from "./client/transport.ts";
import { webhooksClient } from "./client/webhooks.ts";
import type {
  Client,
  ClientOptions,
  CommandOptions,
  EventsOptions,
  FollowOptions,
  Modules,
  Seen,
  SendOptions,
  StateOptions,
} from "./client/types.ts";
import { invalidKeyReason } from "./core/message.ts";

export { FolioClientError, type Problem } from "./client/client_error.ts";
export type { ProjectionClient, QueryAnswer, QueryOptions } from "./client/projections.ts";
export type { SagaClient, SagaEnd, SagaError, SagaInfo, SagaOptions, SagaStep } from "./client/sagas.ts";
export type {
  ActorClient,
  Client,
  ClientOptions,
  CommandOptions,
  CommandResult,
  EventPage,
  EventsOptions,
  Fetch,
  FollowOptions,
  LogEvent,
  MessageInfo,
  Modules,
  SendOptions,
  StateOptions,
} from "./client/types.ts";

export type {
  WebhookDelivery,
  WebhookInfo,
  WebhookOptions,
  WebhooksClient,
  WebhookTest,
} from "./client/webhooks.ts";

/**
 * A client of the server at `url`.
 *
 * Every command carries an `Idempotency-Key`, made once a call, so that a request which may or may not have
 * arrived is sent again without harm: after a network error, 429, 502, 503, 504, or 409 `message-in-progress`,
 * with growing pauses and never before the server's `Retry-After`, `attemptsMax` times in all. A command that
 * takes longer than the server waits (202) is asked after until it is handled.
 *
 * An actor's rejection is a result; everything else that is no reply throws a `FolioClientError`. Commands
 * whose names every object has (`toString`, `constructor`) or that make promises of objects (`then`) or JSON
 * (`toJSON`) can only be sent with `$send`.
 *
 * @typeParam M `typeof` the default export of the modules that the server runs.
 * @param url Where its routes begin, e.g. `https://example.com/folio`.
 *
 * @example Reading on after a restart
 * ```ts no-run
 * import { createClient } from "folio/client";
 * import type modules from "../actors/mod.ts";
 *
 * const client = createClient<typeof modules>("http://localhost:8000");
 * const after = localStorage.getItem("seen") ?? "";
 * for await (const event of client.$follow({ after, type: "Withdrawn" })) {
 *   console.log(event.actor, event.payload.amount);
 *   localStorage.setItem("seen", event.token);
 * }
 * ```
 */
export function createClient<M extends Modules>(url: string | URL, options: ClientOptions = {}): Client<M> {
  // The names come from the server's modules, of which only the types are here.
  return clientAfter(new Transport(url, options), "") as unknown as Client<M>;
}

/** @param token What its queries have to reflect. */
function clientAfter(transport: Transport, token: string): object {
  const methods: Methods = {
    after: (seen) => clientAfter(transport, laterOf(token, tokenOf(seen))),
    $message: (id, options = {}) => findMessage(transport, id, options),
    $events: (options = {}) => readEvents(transport, options),
    $follow: (options = {}) => followEvents(transport, options),
  };
  // Not among what is listed, like everything that is made of a name.
  Object.defineProperty(methods, "projections", { value: projections(transport, token) });
  Object.defineProperty(methods, "sagas", { value: sagas(transport) });
  Object.defineProperty(methods, "webhooks", { value: webhooksClient(transport) });
  return withNames(methods, /^[a-z][a-z0-9-]*$/, (type) => (key: string) => actor(transport, type, key));
}

interface Methods {
  after(seen: Seen): object;
  $message(id: string, options?: { actor?: string; signal?: AbortSignal }): unknown;
  $events(options?: EventsOptions): unknown;
  $follow(options?: FollowOptions): unknown;
}

function tokenOf(seen: Seen): string {
  if (typeof seen === "string") return seen;
  return "token" in seen ? seen.token : "";
}

const camelCase = /^[a-z][A-Za-z0-9]*$/;

function sagas(transport: Transport): object {
  return withNames({}, camelCase, (saga) => (id: string) => {
    checkKey(`saga ${kebabCase(saga)}`, id);
    return sagaClient(transport, kebabCase(saga), id);
  });
}

function projections(transport: Transport, after: string): object {
  return withNames(
    {},
    camelCase,
    (projection) =>
      withNames({}, camelCase, (query) => (input = {}, options: QueryOptions = {}) => {
        const of = { projection: kebabCase(projection), query: kebabCase(query), after };
        return askQuery(transport, of, input, options);
      }),
  );
}

/** @throws {TypeError} When nothing can have this key. */
function checkKey(what: string, key: string): void {
  // Dots alone are a step in a path and not a name, encoded or not (WHATWG URL, 4.4).
  const reason = invalidKeyReason(key) ?? (/^\.{1,2}$/.test(key) ? "it cannot be part of a URL" : undefined);
  if (reason) throw new TypeError(`Cannot use the key "${key}" of ${what}: ${reason}`);
}

function actor(transport: Transport, type: string, key: string): object {
  checkKey(`actor type ${type}`, key);
  const command = (name: string, input: unknown): Command => ({ actor: { type, key }, name, input });
  const methods = {
    $state: (options: StateOptions = {}) => readState(transport, { type, key }, options),
    $send: (name: string, input?: unknown, options: SendOptions = {}) =>
      sendCommand(transport, command(name, input), options),
  };
  return withNames(
    methods,
    /^[A-Za-z][A-Za-z0-9_-]*$/,
    (name) => (input?: unknown, options: CommandOptions = {}) =>
      askCommand(transport, command(name, input), options),
  );
}

/**
 * `own`, and a value for every other name that `pattern` allows. What looks for `then` or `toJSON` on any
 * object it is given, such as `await`, finds nothing.
 */
function withNames(own: object, pattern: RegExp, valueOf: (name: string) => unknown): object {
  return new Proxy(own, {
    get(target, name) {
      if (name in target || typeof name === "symbol") return Reflect.get(target, name);
      return name !== "then" && name !== "toJSON" && pattern.test(name) ? valueOf(name) : undefined;
    },
  });
}
