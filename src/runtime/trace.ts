import type { RecordedEvent } from "../core/event.ts";
import { activityNameOf } from "../core/activity.ts";
import type { Failure, MessageStatus } from "../core/message.ts";
import type { Database } from "../store/database.ts";
import { readEventsOfCorrelation } from "../store/events.ts";
import { type MessageSummary, readMessagesOfCorrelation } from "../store/messages.ts";
import type { PageBound } from "../store/page.ts";
import { readTimerSummaries } from "../store/timers.ts";

/** A shard that is read. */
export interface TraceSource {
  readonly number: number;
  readonly database: Database;
}

/** A message, what its turn recorded, and what it led to. */
export interface TraceNode {
  /** `timer`: a message that will be sent; its id is the one that it will have. */
  readonly kind: "message" | "activity" | "timer";
  readonly messageId: string;
  readonly actor: string;
  /** Unknown for a command that nobody but its caller could repeat: of those only the events are kept. */
  readonly command: string | undefined;
  readonly status: MessageStatus | "pending";
  readonly attempts: number;
  readonly enqueuedAt: number | undefined;
  /** When it is to be handled, or was: later than `enqueuedAt` where it is delayed. */
  readonly dueAt: number | undefined;
  readonly handledAt: number | undefined;
  readonly nextAttemptAt: number | undefined;
  /** Attempts that failed, and what operators did about it. */
  readonly failures: readonly Failure[];
  readonly events: RecordedEvent[];
  readonly children: TraceNode[];
}

export interface Trace {
  readonly correlationId: string;
  /** What came from outside; several where one correlation id was used for several requests. */
  readonly roots: TraceNode[];
  /** Whether there was more than is shown. */
  readonly isTruncated: boolean;
}

type Found = TraceNode & { readonly causationId: string | null };

/** Actors of a tree whose timers are looked at. */
const TIMER_ACTORS_MAX = 100;

/** How much of a tree is shown. */
export interface TraceBounds {
  readonly nodesMax: number;
  /** Of payloads of events. */
  readonly bytesMax: number;
}

/** The tree of all messages, events and pending timers that share a correlation id. */
export async function readTrace(
  shards: readonly TraceSource[],
  correlationId: string,
  { nodesMax, bytesMax }: TraceBounds,
): Promise<Trace> {
  const query = { correlationId, limit: nodesMax + 1, bytesMax: Math.floor(bytesMax / shards.length) };
  const found = await Promise.all(shards.map(async ({ database, number }) => ({
    messages: await readMessagesOfCorrelation(database, number, query),
    events: await readEventsOfCorrelation(database, number, query),
  })));
  const nodes = new Map<string, Found>();
  const keyOf = (id: string, actor: string) => `${id} ${actor}`;
  for (const message of found.flatMap(({ messages }) => messages)) {
    nodes.set(keyOf(message.id, message.actor), nodeOf(message));
  }
  for (const event of found.flatMap(({ events }) => events.items)) {
    const key = keyOf(event.messageId, event.actor);
    let node = nodes.get(key);
    if (!node) {
      node = {
        kind: "message",
        messageId: event.messageId,
        actor: event.actor,
        command: undefined,
        status: "done",
        attempts: 1,
        enqueuedAt: undefined,
        dueAt: undefined,
        handledAt: event.at,
        nextAttemptAt: undefined,
        failures: [],
        events: [],
        children: [],
        causationId: event.causationId ?? null,
      };
      nodes.set(key, node);
    }
    node.events.push(event);
  }
  for (const timer of await pendingTimers(shards, query, [...nodes.values()])) {
    nodes.set(keyOf(timer.messageId, timer.actor), timer);
  }

  const taken = [...nodes.values()].sort(byTime).slice(0, nodesMax);
  const isCut = found.some(({ messages, events }) => messages.length > nodesMax || events.hasMore);
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
export function attemptsOf(
  { actor, attempts, hasOutcome }: Pick<MessageSummary, "actor" | "attempts" | "hasOutcome">,
): number {
  return attempts + (hasOutcome && activityNameOf(actor) === undefined ? 1 : 0);
}

function nodeOf(message: MessageSummary): Found {
  return {
    kind: activityNameOf(message.actor) === undefined ? "message" : "activity",
    messageId: message.id,
    actor: message.actor,
    command: message.command,
    status: message.status,
    attempts: attemptsOf(message),
    enqueuedAt: message.enqueuedAt,
    dueAt: message.deliverAt,
    handledAt: message.handledAt ?? undefined,
    nextAttemptAt: message.nextAttemptAt ?? undefined,
    failures: message.failures,
    events: [],
    children: [],
    causationId: message.causationId,
  };
}

/** Timers that turns of the tree have set, and that are still to come. */
async function pendingTimers(
  shards: readonly TraceSource[],
  wanted: PageBound & { readonly correlationId: string },
  nodes: readonly TraceNode[],
): Promise<Found[]> {
  const actors = [...new Set(nodes.map(({ actor }) => actor))].slice(0, TIMER_ACTORS_MAX);
  const query = { ...wanted, actors };
  const timers = await Promise.all(shards.map(({ database }) => readTimerSummaries(database, query)));
  return timers.flat().map(({ id, dueAt, request, causationId }) => ({
    kind: "timer",
    messageId: id,
    actor: `${request.type}/${request.key}`,
    command: request.command,
    status: "pending",
    attempts: 0,
    enqueuedAt: undefined,
    dueAt,
    handledAt: undefined,
    nextAttemptAt: undefined,
    failures: [],
    events: [],
    children: [],
    causationId,
  }));
}

/** Causes first: what a turn sends has the time of that turn. */
function byTime(a: Found, b: Found): number {
  return timeOf(a) - timeOf(b) || Number(a.causationId !== null) - Number(b.causationId !== null);
}

function timeOf(node: TraceNode): number {
  return node.enqueuedAt ?? node.handledAt ?? node.dueAt ?? 0;
}
