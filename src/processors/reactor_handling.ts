import { activityType } from "../core/activity.ts";
import type { CommandRequest } from "../core/command.ts";
import { type Duration, parseDuration } from "../core/duration.ts";
import type { RecordedEvent } from "../core/event.ts";
import { invalidKeyReason, parseActorName } from "../core/message.ts";
import type { Reactor } from "../core/reactor.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Shard } from "../runtime/shard.ts";
import type { Send } from "../runtime/turn.ts";
import { type LogPart, readLog } from "../store/events.ts";
import { HandlerError } from "./handler_error.ts";

/** Positions looked through for a page of events, so that rare ones do not make one query long. */
export const POSITIONS_PER_READ = 20_000;

/** Reads the events that a reactor answers, and asks its handlers what is to be sent; sends nothing. */
export class ReactorHandling {
  /** Types of its events, by `actor-type/Event`. */
  readonly keys: readonly string[];
  readonly #types: readonly string[];

  constructor(private readonly runtime: Runtime, private readonly reactor: Reactor) {
    this.keys = [...reactor.on.keys()];
    this.#types = [...new Set(this.keys.map((key) => parseActorName(key).key))];
  }

  /** The next events with `after` < position <= `upTo`, and the last position looked at. */
  read(shard: Shard, range: { after: number; upTo: number; limit: number }): Promise<LogPart> {
    const upTo = Math.min(range.upTo, range.after + POSITIONS_PER_READ);
    const bytesMax = this.runtime.limits.pageBytesMax;
    return readLog(shard.store.database, shard.number, { ...range, upTo, bytesMax, types: this.#types });
  }

  /**
   * What is to be sent about one event; `bytes`: of JSON, roughly.
   *
   * @throws {HandlerError} When the handler throws, or wants what cannot be sent.
   */
  sendsFor(event: RecordedEvent): { sends: Send[]; bytes: number } {
    try {
      return this.#ask(event);
    } catch (error) {
      throw new HandlerError(event, error);
    }
  }

  #ask(event: RecordedEvent): { sends: Send[]; bytes: number } {
    const { type, key } = parseActorName(event.actor);
    const handler = this.reactor.on.get(`${type}/${event.type}`);
    const sends: Send[] = [];
    let bytes = 0;
    if (!handler) return { sends, bytes };
    const { payload, actor, version, shard, position, at, messageId, correlationId } = this.runtime.registry
      .present(
        event,
      );
    const { runtime } = this;
    const push = (request: CommandRequest, after: Duration | undefined) => {
      const delayMs = after === undefined ? 0 : parseDuration(after);
      if (delayMs === undefined) throw new TypeError(`Cannot send: not a duration, "${after}"`);
      if (sends.length >= runtime.limits.turnSendsMax) {
        throw new RangeError("Too many messages for one event");
      }
      const copy = runtime.copyOf(request);
      bytes += JSON.stringify(copy.input).length;
      const { turnBytesMax } = runtime.limits;
      if (bytes > turnBytesMax) throw new RangeError(`More than ${turnBytesMax} bytes of JSON for one event`);
      sends.push({ request: copy, delayMs });
    };
    const returned: unknown = handler(
      {
        send: (request, { after } = {}) => {
          runtime.registry.parse(request);
          push(request, after);
        },
        perform: (activity, input, { key = "-", after } = {}) => {
          const badKey = invalidKeyReason(key);
          if (badKey) {
            throw new TypeError(`Cannot perform ${activity.name}: its key cannot be used, ${badKey}`);
          }
          runtime.registry.parseActivity(activity, input);
          push({ type: activityType(activity.name), key, command: "run", input }, after);
        },
      },
      { payload, actor, key, version, type: event.type, shard, position, at, messageId, correlationId },
    );
    if (returned instanceof Promise) {
      throw new TypeError("Handler must be synchronous, but it returned a promise");
    }
    return { sends, bytes };
  }
}
