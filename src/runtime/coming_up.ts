import { type MessageSummary, readDelayed } from "../store/messages.ts";
import { readTimerSummaries, type TimerSummary } from "../store/timers.ts";
import type { MessageSource } from "./message_reader.ts";

/** A message to be delivered later: of a timer, or one that was sent with a delay. */
export interface ComingUp {
  /** Whose timer it is; of a delayed message, whom it is for. */
  readonly actor: string;
  /** Of a timer. */
  readonly name?: string;
  /** Of a delayed message. */
  readonly messageId?: string;
  /** Milliseconds since the Unix epoch. */
  readonly dueAt: number;
  readonly sends: { readonly actor: string; readonly command: string };
  readonly causationId: string | null;
  readonly correlationId: string;
}

/** What will be delivered after now, soonest first. */
export async function readComingUp(
  shards: readonly Pick<MessageSource, "number" | "store">[],
  page: { actor?: string | undefined; limit: number; bytesMax: number; now: number },
): Promise<ComingUp[]> {
  const { actor, limit, bytesMax, now } = page;
  const actors = actor === undefined ? undefined : [actor];
  const lists = await Promise.all(shards.map(async ({ number, store: { database } }) => {
    const timers = readTimerSummaries(database, { actors, limit, bytesMax });
    const delayed = readDelayed(database, number, { after: now, actor, limit });
    return [...(await timers).map(ofTimer), ...(await delayed).map(ofMessage)];
  }));
  return lists.flat().sort((a, b) => a.dueAt - b.dueAt).slice(0, limit);
}

function ofTimer({ actor, name, dueAt, request, causationId, correlationId }: TimerSummary): ComingUp {
  const sends = { actor: `${request.type}/${request.key}`, command: request.command };
  return { actor, name, dueAt, sends, causationId, correlationId };
}

function ofMessage({ id, actor, command, deliverAt, causationId, correlationId }: MessageSummary): ComingUp {
  return { actor, messageId: id, dueAt: deliverAt, sends: { actor, command }, causationId, correlationId };
}
