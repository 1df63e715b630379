import type { RecordedEvent } from "../core/event.ts";
import { activityNameOf } from "../core/activity.ts";
import type { MessageRecord, MessageStatus } from "../core/message.ts";
import { readEventsOfCorrelation } from "../store/events.ts";
import { readMessagesOfCorrelation } from "../store/messages.ts";
import type { Shard } from "./shard.ts";

/** A message, what its turn recorded, and what it led to. */
export interface TraceNode {
  readonly messageId: string;
  readonly actor: string;
  /** Unknown for a command that nobody but its caller could repeat: of those only the events are kept. */
  readonly command: string | undefined;
  readonly status: MessageStatus;
  readonly attempts: number;
  readonly enqueuedAt: number | undefined;
  readonly handledAt: number | undefined;
  readonly events: RecordedEvent[];
  readonly children: TraceNode[];
}

export interface Trace {
  readonly correlationId: string;
  /** What came from outside; several where one correlation id was used for several requests. */
  readonly roots: TraceNode[];
  /** Whether there was more than `nodesMax`. */
  readonly isTruncated: boolean;
}

/** The tree of all messages and events that share a correlation id. */
export async function readTrace(
  shards: readonly Shard[],
  correlationId: string,
  nodesMax: number,
): Promise<Trace> {
  const query = { correlationId, limit: nodesMax + 1 };
  const found = await Promise.all(shards.map(async ({ store, number }) => ({
    messages: await readMessagesOfCorrelation(store.database, number, query),
    events: await readEventsOfCorrelation(store.database, number, query),
  })));
  const nodes = new Map<string, TraceNode & { causationId: string | null }>();
  const keyOf = (id: string, actor: string) => `${id} ${actor}`;
  for (const message of found.flatMap(({ messages }) => messages)) {
    nodes.set(keyOf(message.id, message.actor), {
      messageId: message.id,
      actor: message.actor,
      command: message.command,
      status: message.status,
      attempts: attemptsOf(message),
      enqueuedAt: message.enqueuedAt,
      handledAt: message.handledAt ?? undefined,
      events: [],
      children: [],
      causationId: message.causationId,
    });
  }
  for (const event of found.flatMap(({ events }) => events)) {
    const key = keyOf(event.messageId, event.actor);
    let node = nodes.get(key);
    if (!node) {
      node = {
        messageId: event.messageId,
        actor: event.actor,
        command: undefined,
        status: "done",
        attempts: 1,
        enqueuedAt: undefined,
        handledAt: event.at,
        events: [],
        children: [],
        causationId: event.causationId ?? null,
      };
      nodes.set(key, node);
    }
    node.events.push(event);
  }

  const taken = [...nodes.values()].sort(byTime).slice(0, nodesMax);
  const isCut = found.some(({ messages, events }) => messages.length > nodesMax || events.length > nodesMax);
  const byId = new Map(taken.map((node) => [node.messageId, node]));
  const roots: TraceNode[] = [];
  for (const { causationId, ...node } of taken) {
    const parent = causationId === null ? undefined : byId.get(causationId);
    if (parent) parent.children.push(node);
    else roots.push(node);
  }
  return { correlationId, roots, isTruncated: isCut || nodes.size > taken.length };
}

/** Attempts at a message, that which succeeded or runs included. Those at activities count from their beginning. */
export function attemptsOf({ actor, attempts, outcome }: MessageRecord): number {
  return attempts + (outcome && activityNameOf(actor) === undefined ? 1 : 0);
}

/** Causes first: what a turn sends has the time of that turn. */
function byTime(a: TraceNode & { causationId: string | null }, b: typeof a): number {
  return timeOf(a) - timeOf(b) || Number(a.causationId !== null) - Number(b.causationId !== null);
}

function timeOf(node: TraceNode): number {
  return node.enqueuedAt ?? node.handledAt ?? 0;
}
