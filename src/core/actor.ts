import { z } from "zod";
import { refKey, refType } from "./address.ts";
import { defaultRetryPolicy, type RetryPolicy } from "./backoff.ts";
import type { AnyCommand, CommandDefinition, CommandRequest } from "./command.ts";
import { type Duration, parseDuration } from "./duration.ts";
import { type EventDefinition, eventDefinition, type EventSchemas, type PayloadOf } from "./event.ts";
import { type Invariants, type NamedInvariant, namedInvariants } from "./invariant.ts";
import { isJson } from "./json.ts";
import type { AnySaga } from "./saga.ts";
import type { RejectionSchemas, Turn } from "./turn.ts";

/** One function an event: the state before and the event give the state after. Pure. */
type Evolve<State, Events extends EventSchemas> = {
  [Name in keyof Events]: (state: NoInfer<State>, event: PayloadOf<Events[Name]>) => NoInfer<State>;
};

/** What an actor may set for itself; the rest is in `config.ts`. */
export interface ActorOptions {
  /** `every`: events between snapshots (100). `version`: raise it to make all older snapshots void. */
  readonly snapshot?: { readonly every?: number; readonly version?: number };
  /** How failing messages are retried. */
  readonly retry?: Partial<RetryPolicy>;
  /** Messages waiting for one actor of this type, at the most (1,000). */
  readonly mailboxDepthMax?: number;
}

interface Parts<State, Events extends EventSchemas, Commands> extends ActorOptions {
  /** The state before the first event: JSON, like every state. */
  readonly initialState: () => State;
  readonly events: Events;
  readonly evolve: Evolve<State, Events>;
  readonly commands: Commands;
  /**
   * Moves the events of closed actors out of the shard's database into an archive beside it. They are read as
   * before, only slower; a command to such an actor is handled like any other. Without it, events stay.
   */
  readonly archive?: ArchiveOptions<NoInfer<keyof Events & string>>;
  /**
   * What is true of every state: a turn that has emitted events and leaves a state of which one is not fails, and
   * nothing of it is recorded. Clients are told an invariant's name.
   */
  readonly invariants?: Invariants<NoInfer<State>>;
}

/** When an actor's events are archived. */
export interface ArchiveOptions<EventName extends string = string> {
  /** Events that close an actor: one whose newest event is of these. */
  readonly closedBy: readonly EventName[];
  /** How long after that event, if nothing waits for the actor by then: no message, timer or activity. */
  readonly after: Duration;
}

/** As the runtime reads `ArchiveOptions`. */
export interface ArchivePolicy {
  readonly closedBy: readonly string[];
  readonly afterMs: number;
}

type RejectionOf<Rejections extends RejectionSchemas> = {
  [Code in keyof Rejections & string]: { readonly code: Code; readonly details: z.output<Rejections[Code]> };
}[keyof Rejections & string];

/** An actor's address, with a method a command. */
export type Ref<Commands, Rejections extends RejectionSchemas> = {
  readonly [Name in keyof Commands]: Commands[Name] extends CommandDefinition<never, infer Input, infer Reply>
    ? (...input: OptionalIfEmpty<z.input<Input>>) => CommandRequest<Reply, RejectionOf<Rejections>>
    : never;
};
type OptionalIfEmpty<Input> = Record<never, never> extends Input ? [input?: Input] : [input: Input];

/** An actor type, as `actor(...)` makes it. */
export interface Actor<
  Name extends string = string,
  State = unknown,
  Events extends EventSchemas = EventSchemas,
  Rejections extends RejectionSchemas = RejectionSchemas,
  // deno-lint-ignore no-explicit-any -- commands take a Turn, which varies both ways
  Commands extends Record<string, AnyCommand> = any,
> {
  readonly kind: "actor";
  readonly name: Name;
  readonly initialState: () => State;
  readonly events: ReadonlyMap<string, EventDefinition>;
  readonly evolve: ReadonlyMap<string, (state: unknown, event: unknown) => unknown>;
  readonly commands: ReadonlyMap<string, AnyCommand>;
  /** Undefined where the actor does not declare its rejections. */
  readonly rejections: ReadonlyMap<string, z.ZodType> | undefined;
  /** Undefined where none are declared. */
  readonly invariants?: readonly NamedInvariant[] | undefined;
  readonly retry: RetryPolicy;
  readonly snapshotEvery: number;
  readonly mailboxDepthMax: number | undefined;
  /** Undefined where events stay. */
  readonly archive?: ArchivePolicy | undefined;
  /** Changes whenever the code that makes states does, so that snapshots of older code are not used. */
  readonly fingerprint: string;
  /** Where its actors are the instances of a saga: their turns run that, and their state is its `Journal`. */
  readonly saga?: AnySaga;
  /** The address of one actor of this type. */
  ref(key: string): Ref<Commands, Rejections>;
  /** Only in types. */
  readonly __types?: { events: Events; rejections: Rejections; commands: Commands };
}

/** Any actor type. */
// deno-lint-ignore no-explicit-any -- stands for every actor whatever its state
export type AnyActor = Actor<string, any, any, any, any>;

/**
 * Defines an actor type: the state it starts from, the facts it records, how each changes the state, and the
 * commands it answers. Everything is checked here, when the module is loaded.
 *
 * @param name Lower case letters, digits and hyphens; the first part of `type/key`.
 * @param parts See the fields; `rejections` is optional and makes the codes of `turn.reject` typed. `invariants`,
 * too: a record such as `{ "the balance is never below zero": ({ balance }) => balance >= 0 }`, or a list.
 * @throws {TypeError} When a name or option is malformed, an event has no `evolve`, or a schema is not JSON.
 *
 * @example
 * ```ts
 * import { actor, command } from "folio";
 * import { z } from "zod";
 *
 * export const door = actor("door", {
 *   initialState: () => ({ open: false }),
 *   events: { Opened: z.object({}), Closed: z.object({}) },
 *   evolve: { Opened: () => ({ open: true }), Closed: () => ({ open: false }) },
 *   commands: {
 *     open: command(z.object({}), (turn) => {
 *       if (turn.state.open) turn.reject("already-open");
 *       turn.emit("Opened", {});
 *     }),
 *   },
 * });
 * ```
 *
 * @example Orders that leave the database a month after they are delivered
 * ```ts
 * import { actor, command } from "folio";
 * import { z } from "zod";
 *
 * export const order = actor("order", {
 *   initialState: () => ({ delivered: false }),
 *   events: { Delivered: z.object({}) },
 *   evolve: { Delivered: () => ({ delivered: true }) },
 *   commands: { deliver: command(z.object({}), (turn) => turn.emit("Delivered", {})) },
 *   archive: { closedBy: ["Delivered"], after: "30d" },
 * });
 * ```
 */
export function actor<
  Name extends string,
  State,
  Events extends EventSchemas,
  Rejections extends RejectionSchemas,
  // deno-lint-ignore no-explicit-any -- inferred from what is given
  Commands extends Record<string, CommandDefinition<Turn<State, Events, Rejections>, any, any>>,
>(
  name: Name,
  parts: Parts<State, Events, Commands> & { readonly rejections: Rejections },
): Actor<Name, State, Events, Rejections, Commands>;
export function actor<
  Name extends string,
  State,
  Events extends EventSchemas,
  // deno-lint-ignore no-explicit-any -- inferred from what is given
  Commands extends Record<string, CommandDefinition<Turn<State, Events, RejectionSchemas>, any, any>>,
>(
  name: Name,
  parts: Parts<State, Events, Commands>,
): Actor<Name, State, Events, RejectionSchemas, Commands>;
export function actor(
  name: string,
  parts: Parts<unknown, EventSchemas, Record<string, AnyCommand>> & {
    readonly rejections?: RejectionSchemas;
  },
): AnyActor {
  checkName("actor type", name, /^[a-z][a-z0-9-]{0,63}$/);
  const evolve = new Map(Object.entries(parts.evolve));
  const events = new Map<string, EventDefinition>();
  for (const [event, schema] of Object.entries(parts.events)) {
    checkName(`event of ${name}`, event, /^[A-Za-z][A-Za-z0-9_-]{0,63}$/);
    if (!evolve.has(event)) throw new TypeError(`Cannot define actor ${name}: no evolve for event ${event}`);
    const definition = eventDefinition(schema);
    checkIsJson(`event ${event} of ${name}`, definition.schema, "output");
    events.set(event, definition);
  }
  for (const event of evolve.keys()) {
    if (!events.has(event)) {
      throw new TypeError(`Cannot define actor ${name}: evolve for unknown event ${event}`);
    }
  }
  for (const [command, definition] of Object.entries(parts.commands)) {
    checkName(`command of ${name}`, command, /^(?!then$)[A-Za-z][A-Za-z0-9_-]{0,63}$/);
    checkIsJson(`command ${command} of ${name}`, definition.input, "input");
  }
  if (!isJson(parts.initialState())) {
    throw new TypeError(`Cannot define actor ${name}: its initial state is not JSON`);
  }
  checkOptions(name, parts);
  const commands = new Map(Object.entries(parts.commands));
  const methods = refMethods(name, commands.keys());
  return {
    kind: "actor",
    name,
    initialState: parts.initialState,
    events,
    evolve,
    commands,
    rejections: parts.rejections && new Map(Object.entries(parts.rejections)),
    invariants: parts.invariants && namedInvariants(name, parts.invariants),
    retry: { ...defaultRetryPolicy, ...parts.retry },
    snapshotEvery: parts.snapshot?.every ?? 100,
    mailboxDepthMax: parts.mailboxDepthMax,
    archive: parts.archive && archivePolicy(name, parts.archive, events),
    fingerprint: fingerprint(parts),
    ref: (key) => Object.create(methods, { [refKey]: { value: key } }),
  };
}

function archivePolicy(
  name: string,
  { closedBy, after }: ArchiveOptions,
  events: ReadonlyMap<string, EventDefinition>,
): ArchivePolicy {
  const afterMs = parseDuration(after);
  if (afterMs === undefined) {
    throw new TypeError(
      `Cannot define actor ${name}: archive.after must be a duration like "30d", not ${after}`,
    );
  }
  const unknown = closedBy.find((event) => !events.has(event));
  if (unknown !== undefined || closedBy.length === 0) {
    const why = unknown === undefined ? "names no event" : `names ${unknown}, which is no event of it`;
    throw new TypeError(`Cannot define actor ${name}: archive.closedBy ${why}`);
  }
  return { closedBy: [...closedBy], afterMs };
}

/** @throws {TypeError} When a name does not have the form that names of its kind have. */
export function checkName(what: string, name: string, pattern: RegExp): void {
  if (!pattern.test(name)) {
    throw new TypeError(`Cannot define ${what}: name must match ${pattern}, not "${name}"`);
  }
}

function checkOptions(name: string, options: ActorOptions): void {
  const check = (option: string, value: number | undefined, isValid: (value: number) => boolean) => {
    if (value === undefined || isValid(value)) return;
    throw new TypeError(`Cannot define actor ${name}: ${option} must not be ${value}`);
  };
  const isCount = (value: number) => Number.isSafeInteger(value) && value >= 1;
  const isDuration = (value: number) => Number.isFinite(value) && value >= 0;
  check("snapshot.every", options.snapshot?.every, isCount);
  check("snapshot.version", options.snapshot?.version, isCount);
  check("mailboxDepthMax", options.mailboxDepthMax, isCount);
  check("retry.attemptsMax", options.retry?.attemptsMax, isCount);
  check("retry.delayMs", options.retry?.delayMs, isDuration);
  check("retry.delayMsMax", options.retry?.delayMsMax, isDuration);
  check("retry.jitter", options.retry?.jitter, (value) => value >= 0 && value <= 1);
}

/** Schemas that have been found to describe JSON: those of Folio's own actors come again with every runtime. */
const found = { input: new WeakSet<z.ZodType>(), output: new WeakSet<z.ZodType>() };

/** Refuses dates, big integers, maps and the like, which would not survive being stored. */
export function checkIsJson(what: string, schema: z.ZodType, io: "input" | "output", part = "schema"): void {
  if (found[io].has(schema)) return;
  try {
    z.toJSONSchema(schema, { io });
    found[io].add(schema);
  } catch (error) {
    throw new TypeError(`Cannot define ${what}: its ${part} must describe JSON`, { cause: error });
  }
}

/** What all refs of a type have; each adds its key. */
function refMethods(type: string, commands: Iterable<string>): object {
  const methods: Record<string | symbol, unknown> = Object.create(null);
  methods[refType] = type;
  for (const command of commands) {
    methods[command] = function (this: { [refKey]: string }, input: unknown = {}): CommandRequest {
      return { type, key: this[refKey], command, input };
    };
  }
  return methods;
}

/** FNV-1a over the source of what makes states, and which events it is for. */
function fingerprint(parts: Parts<unknown, EventSchemas, unknown>): string {
  const upcasts = Object.entries(parts.events).flatMap(([event, schema]) =>
    Object.values(eventDefinition(schema).from).map((upcast) => `${event} ${upcast}`)
  );
  const evolves = Object.entries(parts.evolve).map(([event, change]) => `${event} ${change}`);
  const source = [parts.initialState, ...evolves, ...upcasts].join("\0");
  let hash = 0x811c9dc5;
  for (let i = 0; i < source.length; i++) hash = Math.imul(hash ^ source.charCodeAt(i), 0x01000193) >>> 0;
  return `${parts.snapshot?.version ?? 1}-${hash.toString(36)}`;
}
