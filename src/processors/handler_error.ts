import { errorMessage } from "../core/errors.ts";
import type { RecordedEvent } from "../core/event.ts";
import type { EventFailure } from "../runtime/read_models.ts";

/** A handler that threw at an event, or asked for what cannot be. */
export class HandlerError extends Error {
  override readonly name = "HandlerError";

  constructor(readonly event: RecordedEvent, override readonly cause: unknown) {
    super(errorMessage(cause));
  }

  /** @param at When it failed, in milliseconds since the Unix epoch. */
  toFailure(at: number): EventFailure {
    const { shard, position, type, actor, version } = this.event;
    return { error: this.message, event: { shard, position, type, actor, version }, at };
  }
}
