import { FolioError } from "../core/errors.ts";
import type { MessageRecord } from "../core/message.ts";
import type { RecordedEvent } from "../core/event.ts";
import type { Database } from "../store/database.ts";
import { readEventsOfMessage } from "../store/events.ts";
import { readMessagesById } from "../store/messages.ts";
import { entryKey } from "./loader.ts";

/** Where messages are looked for: a shard, or what is on disk of one. */
export interface MessageSource {
  readonly number: number;
  readonly store: { readonly database: Database };
  /** Those in memory. */
  pendingById(id: string): readonly MessageRecord[];
}

/**
 * The message of an id: as it is in memory, or on disk, or as the events it emitted tell of it, which is all
 * that is kept of a command whose id was never known to anybody before it was answered.
 *
 * @param actor Tells which, where several actors were sent the same id.
 * @throws {FolioError} `unknown-message`, `ambiguous-message`.
 */
export async function readMessage(
  shards: readonly MessageSource[],
  id: string,
  actor: string | undefined,
): Promise<MessageRecord> {
  const found = new Map<string, MessageRecord>();
  await Promise.all(shards.map(async (shard) => {
    // Memory last: it may have gone on while the disk was read.
    for (const record of await readMessagesById(shard.store.database, shard.number, id, actor)) {
      found.set(entryKey(record), record);
    }
    for (const record of shard.pendingById(id)) found.set(entryKey(record), record);
  }));
  if (found.size === 0) {
    for (const shard of shards) {
      for (const event of await readEventsOfMessage(shard.store.database, shard.number, id)) {
        const record = fromEvent(event);
        found.set(entryKey(record), record);
      }
    }
  }
  const records = [...found.values()].filter((record) => actor === undefined || record.actor === actor);
  const [record] = records;
  if (!record) {
    throw new FolioError("unknown-message", `There is no message ${id}, or it is not kept any more`, { id });
  }
  if (records.length > 1) {
    const actors = records.map((each) => each.actor).sort();
    throw new FolioError("ambiguous-message", `Say which with ?actor=: ${actors.join(", ")}`, { id, actors });
  }
  return record;
}

function fromEvent(event: Omit<RecordedEvent, "payload">): MessageRecord {
  return {
    id: event.messageId,
    actor: event.actor,
    command: "",
    input: undefined,
    correlationId: event.correlationId,
    causationId: event.causationId ?? null,
    traceparent: null,
    expectedVersion: null,
    expiresAt: null,
    replyTo: null,
    enqueuedAt: event.at,
    deliverAt: event.at,
    shard: event.shard,
    seq: 0,
    status: "done",
    attempts: 1,
    nextAttemptAt: null,
    handledAt: event.at,
    outcome: null,
    failures: [],
    originalInput: undefined,
  };
}
