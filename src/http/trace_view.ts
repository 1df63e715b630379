import type { RecordedEvent } from "../core/event.ts";
import { parseActorName } from "../core/message.ts";
import { parseToken, type Positions } from "../core/token.ts";
import type { ReadModels } from "../runtime/read_models.ts";
import type { Registry } from "../runtime/registry.ts";
import type { TraceNode } from "../runtime/trace.ts";
import { eventView, isoTime } from "./views.ts";

/** What handles an event behind the log, and whether it has. */
export interface EventFollower {
  readonly kind: "projection" | "reactor";
  readonly name: string;
  /** Left out where it is not known. */
  readonly hasSeen?: boolean;
}

/** A node of a causal tree, as JSON. */
export interface TraceNodeView {
  readonly kind: TraceNode["kind"];
  readonly messageId: string;
  readonly actor: string;
  readonly command?: string | undefined;
  readonly status: TraceNode["status"];
  readonly attempts: number;
  readonly enqueuedAt?: string | undefined;
  readonly dueAt?: string | undefined;
  readonly handledAt?: string | undefined;
  /** From due to done, waits and retries included. */
  readonly tookMs?: number | undefined;
  readonly nextAttemptAt?: string | undefined;
  readonly failures?: readonly FailureView[] | undefined;
  readonly events:
    readonly (ReturnType<typeof eventView> & { readonly followers: readonly EventFollower[] })[];
  readonly children: readonly TraceNodeView[];
}

interface FailureView {
  readonly attempt: number;
  readonly at: string;
  readonly error: string;
  readonly isCounted?: boolean;
}

/** A causal tree, as JSON. */
export interface TraceView {
  readonly correlationId: string;
  readonly roots: readonly TraceNodeView[];
  readonly isTruncated: boolean;
}

/** @param followersOf Who handles an event. */
export function traceView(
  node: TraceNode,
  followersOf: (event: RecordedEvent) => readonly EventFollower[],
): TraceNodeView {
  const { enqueuedAt, dueAt, handledAt, failures } = node;
  return {
    kind: node.kind,
    messageId: node.messageId,
    actor: node.actor,
    command: node.command,
    status: node.status,
    attempts: node.attempts,
    enqueuedAt: isoTime(enqueuedAt),
    dueAt: dueAt === enqueuedAt ? undefined : isoTime(dueAt),
    handledAt: isoTime(handledAt),
    tookMs: handledAt === undefined || dueAt === undefined ? undefined : Math.max(0, handledAt - dueAt),
    nextAttemptAt: isoTime(node.nextAttemptAt),
    failures: failures.length > 0
      ? failures.map((failure) => ({ ...failure, at: isoTime(failure.at) }))
      : undefined,
    events: node.events.map((event) => ({ ...eventView(event), followers: followersOf(event) })),
    children: node.children.map((child) => traceView(child, followersOf)),
  };
}

/**
 * Who handles events behind the log.
 *
 * @param served The runtime, where one runs: it knows how far projections have come.
 */
export function eventFollowers(
  registry: Pick<Registry, "projections" | "reactors">,
  served?: { readonly shards: readonly unknown[]; readonly projections?: Pick<ReadModels, "list"> },
): (event: RecordedEvent) => EventFollower[] {
  const positions = new Map<string, Positions>();
  for (const { name, token } of served?.projections?.list() ?? []) {
    positions.set(name, parseToken(token, served?.shards.length ?? 1));
  }
  return (event) => {
    const key = `${parseActorName(event.actor).type}/${event.type}`;
    const followers: EventFollower[] = [];
    for (const { name, on } of registry.projections.values()) {
      if (!on.has(key)) continue;
      const reached = positions.get(name);
      const hasSeen = reached && (reached.get(event.shard) ?? 0) >= event.position;
      followers.push({ kind: "projection", name, ...(hasSeen === undefined ? {} : { hasSeen }) });
    }
    for (const { name, on } of registry.reactors.values()) {
      if (on.has(key)) followers.push({ kind: "reactor", name });
    }
    return followers;
  };
}
