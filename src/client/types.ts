import type { Actor, Ref } from "../core/actor.ts";
import type { Clock } from "../core/clock.ts";
import type { CommandRequest } from "../core/command.ts";
import type { Duration } from "../core/duration.ts";
import type { PayloadOf } from "../core/event.ts";
import type { MessageStatus } from "../core/message.ts";
import type { RejectionSchemas } from "../core/turn.ts";
import type { CamelCase, ProjectionClient } from "./projections.ts";
import type { SagaClient } from "./sagas.ts";
import type { WebhooksClient } from "./webhooks.ts";

/** What the default export of a modules file may be. Only its types are used. */
export type Modules = readonly { readonly kind: string; readonly name: string }[];

/** How a client reaches its server. */
export interface ClientOptions {
  /** Sent as `Authorization: Bearer <token>`. */
  readonly token?: string | undefined;
  /** Instead of the global `fetch`. */
  readonly fetch?: Fetch | undefined;
  /** Attempts of one request in all, the first included (5). */
  readonly attemptsMax?: number | undefined;
  /** Instead of the wall clock. */
  readonly clock?: Clock | undefined;
}

/** The part of `fetch` that is used; the `request` of a Hono app is one too. */
export type Fetch = (url: string, init: RequestInit) => Response | Promise<Response>;

/** How one command is sent. */
export interface CommandOptions {
  /** Names the message: however often it is sent, it is handled once. Made here, once a call, if not given. */
  readonly idempotencyKey?: string | undefined;
  /** The version that the actor must be at; otherwise 412 `version-mismatch`. */
  readonly expectedVersion?: number | undefined;
  /** How long the server may wait for the reply before the client begins to ask for it. */
  readonly waitSeconds?: number | undefined;
  /** Shared by all that this command leads to. */
  readonly correlationId?: string | undefined;
  /** Ends the waiting, not the command: what has been sent may still be handled. */
  readonly signal?: AbortSignal | undefined;
}

/** How a command is sent that nobody waits for. */
export interface SendOptions extends Omit<CommandOptions, "waitSeconds"> {
  /** Not before so long from now. Excludes `deliverAt`. */
  readonly delay?: Duration | undefined;
  /** Not before this time. */
  readonly deliverAt?: Date | string | undefined;
}

/** The reply, or the actor's no. */
export type CommandResult<Reply, Rejection> =
  | {
    readonly ok: true;
    readonly reply: Reply;
    /** The actor's, after the command. */
    readonly version: number;
    readonly position: number;
    readonly messageId: string;
    /** Consistency token: what has been seen by whoever has seen this command's effect. */
    readonly token: string;
  }
  | { readonly ok: false; readonly rejection: Rejection; readonly messageId: string };

/** Names of the commands that clients may send. */
type NamesOf<Commands> = keyof {
  [Name in keyof Commands as Commands[Name] extends { readonly isInternal: true } ? never : Name]: true;
};

type Methods<Commands, Rejections extends RejectionSchemas> = {
  readonly [Name in NamesOf<Commands>]: Ref<Commands, Rejections>[Name] extends
    (...input: infer Input) => CommandRequest<infer Reply, infer Rejection>
    ? (...args: [...Input, options?: CommandOptions]) => Promise<CommandResult<Reply, Rejection>>
    : never;
};

type InputOf<Method> = Method extends (...input: infer Input) => unknown ? Input : never;

/** One actor, seen through HTTP: a method a command, and two of its own. */
export type ActorClient<A> = A extends
  Actor<infer _Name, infer State, infer _Events, infer Rejections, infer Commands>
  ? Methods<Commands, Rejections> & {
    /**
     * The actor's state; undefined if it has no events (then, or yet).
     *
     * @param options `version` or `at`: the state at a past version or time.
     */
    $state(options?: StateOptions): Promise<{ readonly state: State; readonly version: number } | undefined>;
    /** Sends a command without waiting for its reply. Resolves once the message is on the server's disk. */
    $send<Name extends NamesOf<Commands> & string>(
      command: Name,
      ...args: [...InputOf<Ref<Commands, Rejections>[Name]>, options?: SendOptions]
    ): Promise<{ readonly messageId: string }>;
  }
  : never;

/** Which state is asked for: the present one, or that at a version or time. */
export interface StateOptions {
  readonly version?: number | undefined;
  readonly at?: Date | string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An event, as the log tells it. */
export interface LogEvent<
  Type extends string = string,
  Payload = unknown,
  ActorType extends string = string,
> {
  readonly shard: number;
  readonly position: number;
  /** `type/key`. */
  readonly actor: `${ActorType}/${string}`;
  readonly version: number;
  readonly type: Type;
  readonly payload: Payload;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly messageId: string;
  readonly correlationId: string;
  readonly causationId?: string;
  /** Names this event's place in the log: `after` continues behind it. */
  readonly token: string;
}

type EventsOf<A> = A extends Actor<infer Name, infer _State, infer Events, infer _Rejections, infer _Commands>
  ? {
    [Type in keyof Events & string]: LogEvent<Type, PayloadOf<Events[Type]>, Name>;
  }[keyof Events & string]
  : never;

/** One page of the log. */
export interface EventPage<Event = LogEvent> {
  readonly events: readonly Event[];
  /** `after` of the next page. */
  readonly next: string;
  readonly hasMore: boolean;
}

/** Which events are asked for. */
export interface FollowOptions<Type extends string = string> {
  /** A consistency token: only what comes after it. From the beginning if not given. */
  readonly after?: string | undefined;
  readonly type?: Type | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface EventsOptions<Type extends string = string> extends FollowOptions<Type> {
  /** Events of one page, at the most. */
  readonly limit?: number | undefined;
}

/** What the server knows of a message. */
export interface MessageInfo {
  readonly id: string;
  readonly actor: string;
  readonly command?: string;
  readonly status: MessageStatus;
  readonly attempts: number;
  readonly reply?: unknown;
  readonly rejection?: { readonly code: string; readonly details?: unknown };
  readonly version?: number;
  readonly position?: number;
  /** The latest failure's. */
  readonly error?: string;
  /** What a running activity gave with its latest heartbeat. */
  readonly progress?: { readonly detail: unknown; readonly at: string };
  /** ISO 8601, UTC, as all times here. */
  readonly nextAttemptAt?: string;
  readonly enqueuedAt?: string;
  /** From this time on it is not handled any more. */
  readonly expiresAt?: string;
  readonly handledAt?: string;
  readonly correlationId?: string;
  readonly causationId?: string;
}

type ActorsOf<M extends Modules> = Extract<M[number], { readonly kind: "actor" }>;

type ProjectionsOf<M extends Modules> = Extract<M[number], { readonly kind: "projection" }>;

type SagasOf<M extends Modules> = Extract<M[number], { readonly kind: "saga" }>;

/** What has a consistency token, or has changed nothing: a rejected command. */
export type Seen = string | { readonly token: string } | { readonly ok: false };

/** Names that a client has itself; actors of these types are out of its reach. */
type OwnName = "projections" | "sagas" | "webhooks" | "after";

/** A server's actors by their types, its projections, and what is said across actors, under names with a `$`. */
export type Client<M extends Modules> =
  & { readonly [A in ActorsOf<M> as Exclude<A["name"], OwnName>]: (key: string) => ActorClient<A> }
  & {
    /** Read models by their names in camelCase, with a method a query: `projections.balances.byOwner({ owner })`. */
    readonly projections: {
      readonly [P in ProjectionsOf<M> as CamelCase<P["name"]>]: ProjectionClient<P>;
    };
    /** Instances of sagas by the sagas' names in camelCase: `sagas.followUp("ann").start({ email })`. */
    readonly sagas: {
      readonly [S in SagasOf<M> as CamelCase<S["name"]>]: (id: string) => SagaClient<S>;
    };
    /** URLs that are sent events. */
    readonly webhooks: WebhooksClient;
    /**
     * This client, with queries whose answers reflect what was done before.
     *
     * @param seen A command's result, a query's answer, an event: whatever has a token, or the token itself. A
     * rejected command has none: there is nothing to wait for. Calls add up.
     */
    after(seen: Seen): Client<M>;
  }
  & LogClient<EventsOf<ActorsOf<M>>>;

interface LogClient<Event extends LogEvent> {
  /**
   * What became of a message; undefined if it is not known, or not kept any more.
   *
   * @param options `actor`: `type/key`, needed where several actors were sent messages of one id.
   */
  $message(
    id: string,
    options?: { readonly actor?: string; readonly signal?: AbortSignal },
  ): Promise<MessageInfo | undefined>;
  /** One page of the log across actors. */
  $events<Type extends Event["type"] = Event["type"]>(
    options?: EventsOptions<Type>,
  ): Promise<EventPage<Extract<Event, { type: Type }>>>;
  /**
   * The log across actors, as it grows: each event once, in order, across lost connections and restarts of the
   * server. Goes on until the loop is left, or `signal` aborts, which throws its reason.
   *
   * @throws {FolioClientError} When the server answers with a problem that waiting does not solve.
   */
  $follow<Type extends Event["type"] = Event["type"]>(
    options?: FollowOptions<Type>,
  ): AsyncIterable<Extract<Event, { type: Type }>>;
}
