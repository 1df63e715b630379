import { activityType, type AnyActivity } from "../core/activity.ts";
import type { AnyActor } from "../core/actor.ts";
import type { CommandRequest } from "../core/command.ts";
import { type Duration, parseDuration, TIME_MAX } from "../core/duration.ts";
import { fit } from "../core/errors.ts";
import type { Ids } from "../core/ids.ts";
import { checkInvariants } from "../core/invariant.ts";
import { deepFreeze, isWellFormed } from "../core/json.ts";
import type { EventSchemas } from "../core/event.ts";
import { invalidKeyReason, type ReplyTo } from "../core/message.ts";
import type { PerformOptions, RejectionSchemas, SendOptions, TimerTime, Turn } from "../core/turn.ts";

/** An event that a turn has emitted, before it has a position. */
export interface EmittedEvent {
  readonly type: string;
  readonly schemaVersion: number;
  readonly payload: unknown;
  /** `payload` as JSON text: made here, so that what cannot be stored fails the turn and not the commit. */
  readonly json: string;
}

/** A command that a turn sends, or an activity that it lets be performed. */
export interface Send {
  readonly request: CommandRequest;
  readonly delayMs: number;
  readonly expiresMs?: number | undefined;
  /** Given where it has been told to somebody; made when it is sent otherwise. */
  readonly id?: string | undefined;
  readonly replyTo?: ReplyTo | undefined;
}

/** A timer that a turn sets, or cancels where there is no `set`. */
export interface TimerChange {
  readonly name: string;
  readonly set?: { readonly dueAt: number; readonly request: CommandRequest };
}

export type TurnResult =
  | {
    readonly kind: "done";
    readonly state: unknown;
    readonly version: number;
    readonly events: readonly EmittedEvent[];
    readonly sends: readonly Send[];
    readonly timers: readonly TimerChange[];
    readonly reply: unknown;
    readonly replyChars: number;
  }
  | { readonly kind: "rejected"; readonly rejection: string; readonly details: unknown }
  | { readonly kind: "failed"; readonly error: unknown };

/** What a turn is given from outside. */
export interface TurnWorld {
  readonly now: number;
  readonly ids: Ids;
  readonly limits: TurnLimits;
  /** Throws when a request could not be handled by whom it is for. */
  checkRequest(request: CommandRequest): void;
  /** Throws when there is no such activity, or its input does not fit. */
  checkActivity(activity: AnyActivity, input: unknown): void;
}

export interface TurnLimits {
  readonly turnEventsMax: number;
  readonly turnSendsMax: number;
  readonly turnBytesMax: number;
  readonly payloadBytesMax: number;
  readonly sagaSignalsMax: number;
}

/** What a turn starts from. */
export interface TurnInput {
  readonly key: string;
  readonly state: unknown;
  readonly version: number;
  readonly command: string;
  /** As it came; parsed here, unless `parsedInput` is there. */
  readonly input: unknown;
  readonly parsedInput?: unknown;
}

/**
 * Runs one command against a state. Changes nothing: what the turn asks for is in the result.
 */
export function runTurn(actor: AnyActor, input: TurnInput, world: TurnWorld): TurnResult {
  const context = new TurnContext(actor, input, world);
  try {
    const command = actor.commands.get(input.command);
    if (!command) throw new Error(`Actor type ${actor.name} has no command ${input.command}`);
    const parsed = deepFreeze(
      input.parsedInput === undefined
        ? fit(command.input, input.input, `Input of ${input.command}`)
        : input.parsedInput,
    );
    const returned: unknown = command(context, parsed);
    if (context.rejection) return context.rejection;
    if (returned instanceof Promise) {
      returned.catch(() => {}); // it has lost its say
      throw new TypeError(`Handler of ${input.command} must be synchronous, but it returned a promise`);
    }
    if (actor.invariants && context.events.length > 0) {
      checkInvariants(`${actor.name}/${context.key}`, actor.invariants, context.state);
    }
    const reply = command.reply
      ? fit(command.reply, returned, `Reply of ${input.command}`)
      : returned ?? null;
    const replyJson = checkJson("Reply", reply, world.limits.payloadBytesMax);
    return {
      kind: "done",
      state: context.state,
      version: context.version,
      events: context.events,
      sends: context.sends,
      timers: context.timers,
      // As whoever repeats the message will get it, from the disk.
      reply: JSON.parse(replyJson),
      replyChars: replyJson.length,
    };
  } catch (error) {
    return context.rejection ?? { kind: "failed", error };
  } finally {
    context.close();
  }
}

/** Thrown by `reject` to leave the handler. */
class RejectionSignal extends Error {
  override readonly name = "Rejection";
}

export class TurnContext implements Turn<unknown, EventSchemas, RejectionSchemas> {
  readonly events: EmittedEvent[] = [];
  readonly sends: Send[] = [];
  readonly timers: TimerChange[] = [];
  rejection: (TurnResult & { kind: "rejected" }) | undefined;
  readonly #actor: AnyActor;
  readonly #world: TurnWorld;
  readonly key: string;
  readonly now: number;
  #state: unknown;
  #version: number;
  #chars = 0;
  #closed = false;

  constructor(actor: AnyActor, input: TurnInput, world: TurnWorld) {
    this.#actor = actor;
    this.#world = world;
    this.key = input.key;
    this.now = world.now;
    this.#state = input.state;
    this.#version = input.version;
  }

  get state(): unknown {
    return this.#state;
  }

  get version(): number {
    return this.#version;
  }

  emit(name: string, payload: unknown): void {
    this.#checkOpen();
    const definition = this.#actor.events.get(name);
    const evolve = this.#actor.evolve.get(name);
    if (!definition || !evolve) throw new TypeError(`Actor type ${this.#actor.name} has no event ${name}`);
    const { turnEventsMax, payloadBytesMax } = this.#world.limits;
    if (this.events.length >= turnEventsMax) {
      throw new RangeError(`Turn may emit ${turnEventsMax} events at the most`);
    }
    const parsed = fit(definition.schema, payload, `Payload of ${name}`);
    const json = this.#counted(checkJson(`Payload of ${name}`, parsed, payloadBytesMax));
    this.#state = deepFreeze(evolve(this.#state, deepFreeze(parsed)));
    this.#version++;
    this.events.push({ type: name, schemaVersion: definition.schemaVersion, payload: parsed, json });
  }

  reject(code: string, details?: unknown): never {
    this.#checkOpen();
    const schemas = this.#actor.rejections;
    const schema = schemas?.get(code);
    if (schemas && !schema) throw new TypeError(`Actor type ${this.#actor.name} has no rejection ${code}`);
    const parsed = schema ? fit(schema, details ?? {}, `Details of ${code}`) : details;
    if (parsed !== undefined) checkJson(`Details of ${code}`, parsed, this.#world.limits.payloadBytesMax);
    this.rejection = { kind: "rejected", rejection: code, details: parsed };
    throw new RejectionSignal(code);
  }

  send(request: CommandRequest, options: SendOptions = {}): void {
    this.#checkOpen();
    this.#world.checkRequest(request);
    this.pushSend({ request: this.copyOf(request), ...sendTimes(options) });
  }

  /** Adds what is sent, if there may be more. */
  pushSend(send: Send): void {
    const { turnSendsMax } = this.#world.limits;
    if (this.sends.length >= turnSendsMax) {
      throw new RangeError(`Turn may send ${turnSendsMax} messages at the most`);
    }
    this.sends.push(send);
  }

  schedule(name: string, when: TimerTime, request: CommandRequest): void {
    this.#checkOpen();
    this.#world.checkRequest(request);
    this.#pushTimer({ name, set: { dueAt: dueTime(when, this.now), request: this.copyOf(request) } });
  }

  cancel(name: string): void {
    this.#checkOpen();
    this.#pushTimer({ name });
  }

  perform(activity: AnyActivity, input: unknown, options: PerformOptions = {}): string {
    this.#checkOpen();
    const { onDone = null, onFailed = null, context = null, key = "-" } = options;
    for (const command of [onDone, onFailed]) {
      if (command !== null && !this.#actor.commands.has(command)) {
        throw new TypeError(`Actor type ${this.#actor.name} has no command ${command}`);
      }
    }
    const badKey = invalidKeyReason(key);
    if (badKey) throw new TypeError(`Cannot perform ${activity.name}: its key cannot be used, ${badKey}`);
    this.#world.checkActivity(activity, input);
    checkJson("Context", context, this.#world.limits.payloadBytesMax);
    const id = this.id();
    const isTold = onDone !== null || onFailed !== null;
    this.pushSend({
      request: this.copyOf({ type: activityType(activity.name), key, command: "run", input }),
      ...sendTimes(options),
      id,
      replyTo: isTold
        ? { actor: `${this.#actor.name}/${this.key}`, done: onDone, failed: onFailed, context }
        : undefined,
    });
    return id;
  }

  #pushTimer(change: TimerChange): void {
    const { turnSendsMax } = this.#world.limits;
    // Half a surrogate pair would be written as bytes that are no text, which nobody could read again.
    if (!/^[^\p{Cc}\p{Cs}]{1,255}$/u.test(change.name)) {
      throw new TypeError(
        `Cannot use "${change.name}" as a timer's name: 1 to 255 characters, none for control`,
      );
    }
    if (this.timers.length >= turnSendsMax) {
      throw new RangeError(`Turn may change ${turnSendsMax} timers at the most`);
    }
    this.timers.push(change);
  }

  /** A copy, not too large: what the handler does to the object afterwards is not sent. */
  copyOf(request: CommandRequest): CommandRequest {
    const json = checkJson(`Input of ${request.command}`, request.input, this.#world.limits.payloadBytesMax);
    return { ...request, input: JSON.parse(this.#counted(json)) };
  }

  #counted(json: string): string {
    const { turnBytesMax } = this.#world.limits;
    this.#chars += json.length;
    if (this.#chars <= turnBytesMax) return json;
    throw new RangeError(`Turn may emit and send ${turnBytesMax} bytes of JSON at the most`);
  }

  id(): string {
    return this.#world.ids.next();
  }

  random(): number {
    return this.#world.ids.random();
  }

  close(): void {
    this.#closed = true;
  }

  #checkOpen(): void {
    if (this.#closed) throw new Error("Turn has ended: a handler must do all its work before it returns");
  }
}

const encoder = new TextEncoder();

function sendTimes({ after, expiresAfter }: SendOptions): { delayMs: number; expiresMs?: number } {
  const delayMs = after === undefined ? 0 : durationMs(after);
  return expiresAfter === undefined ? { delayMs } : { delayMs, expiresMs: durationMs(expiresAfter) };
}

function durationMs(text: Duration): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new TypeError(`Cannot use "${text}": not a duration`);
  return ms;
}

function dueTime(when: TimerTime, now: number): number {
  if ("after" in when) return now + durationMs(when.after);
  const at = typeof when.at === "number" ? when.at : Date.parse(when.at);
  if (!(Math.abs(at) <= TIME_MAX)) throw new TypeError(`Cannot use "${when.at}": not a time`);
  return Math.trunc(at);
}

/** @returns The JSON text. @throws When there is none, it is too long, or has half a surrogate pair. */
export function checkJson(what: string, value: unknown, bytesMax: number): string {
  const json = JSON.stringify(value);
  if (json === undefined) throw new TypeError(`${what} is not JSON`);
  // As of what comes from outside; such halves are escaped, so that nearly all texts need no second look.
  if (json.includes("\\ud") && !isWellFormed(JSON.parse(json))) {
    throw new TypeError(`${what} has half a surrogate pair, which is no character`);
  }
  // No character is more than three bytes of UTF-8 for each of its units.
  const bytes = json.length * 3 <= bytesMax ? 0 : encoder.encode(json).byteLength;
  if (bytes > bytesMax) throw new RangeError(`${what} is ${bytes} bytes: at most ${bytesMax} can be stored`);
  return json;
}
