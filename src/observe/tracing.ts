import {
  context,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import { activityNameOf } from "../core/activity.ts";
import { BoundedMap } from "../core/bounded_map.ts";
import type { Clock } from "../core/clock.ts";
import { errorMessage } from "../core/errors.ts";
import { type Message, parseActorName } from "../core/message.ts";
import type { CommitSize, Observer, TurnEnd } from "../core/observer.ts";
import {
  contextOf,
  isUnsampled,
  LEFT_OUT,
  leftOutElsewhere,
  traceparentOf,
  TraceSampler,
} from "../core/traceparent.ts";

/** Messages whose contexts are remembered, for what follows them later: activities, reactors, projections. */
const REMEMBERED_MAX = 10_000;
/** Spans of one commit, and of one batch of a projection. */
const SPANS_PER_BATCH = 100;
const LINKS_MAX = 8;
const ERROR_CHARS_MAX = 500;

/**
 * Makes spans of what happens:
 *
 * ```
 * POST /actors/… ─▶ turn ─┬▶ commit
 *                         ├▶ projection
 *                         ├▶ turn of a message that was sent ─▶ …
 *                         └▶ activity ─▶ turn that is told of its result
 * ```
 *
 * Parents are found by the `traceparent` that each message carries, also after a restart. What is not sampled
 * costs a look at one character. A turn whose commit is lost runs again, and has two spans then.
 */
export class Tracing implements Observer {
  /** Of turns and attempts that run. */
  readonly #open = new BoundedMap<string, Span>(REMEMBERED_MAX);
  /** Of messages that are sampled, by id. */
  readonly #contexts = new BoundedMap<string, SpanContext>(REMEMBERED_MAX);
  /** The message whose turn runs now, where it is not sampled: what it sends is not either. */
  #unsampledId: string | undefined;
  #unsampled = LEFT_OUT;
  /** By shard: turns that have joined its open commit. */
  readonly #joined: SpanContext[][] = [];
  /** By shard: of the commit that is on its way. */
  readonly #commits: Span[][][] = [];

  constructor(
    private readonly tracer: Tracer,
    private readonly clock: Clock,
    private readonly sampler: TraceSampler = new TraceSampler(1),
  ) {}

  began(message: Message, shard: number, attempt: number): void {
    this.#unsampledId = undefined;
    if (isUnsampled(message.traceparent)) return;
    // Only what comes from outside begins a trace: what follows from something has its, or none.
    if (message.traceparent === null && message.causationId !== null) return;
    if (this.sampler.isLeftOut(message.traceparent)) {
      this.#unsampledId = message.id;
      this.#unsampled = LEFT_OUT;
      return;
    }
    const activity = activityNameOf(message.actor);
    const name = activity === undefined
      ? `turn ${parseActorName(message.actor).type}/${message.command}`
      : `activity ${activity}`;
    const kind = activity === undefined ? SpanKind.CONSUMER : SpanKind.INTERNAL;
    const span = this.tracer.startSpan(name, { kind }, contextOf(message.traceparent));
    const spanContext = span.spanContext();
    if (!span.isRecording()) {
      this.#unsampledId = message.id;
      this.#unsampled = traceparentOf(spanContext);
      return;
    }
    // Only now: most are not sampled.
    span.setAttributes({
      "folio.actor": message.actor,
      "folio.command": message.command,
      "folio.message_id": message.id,
      "folio.correlation_id": message.correlationId,
      "folio.shard": shard,
      "folio.attempt": attempt,
      "folio.waited_ms": Math.max(0, this.clock.now() - message.deliverAt),
    });
    this.#open.set(keyOf(message), span);
    this.#contexts.set(message.id, spanContext);
  }

  ended(message: Message, shard: number, end: TurnEnd, error?: unknown): void {
    if (this.#open.size === 0) return;
    const span = this.#open.take(keyOf(message));
    if (!span) return;
    span.setAttribute("folio.outcome", end);
    if (error !== undefined) {
      span.setStatus({
        code: SpanStatusCode.ERROR,
        message: errorMessage(error).slice(0, ERROR_CHARS_MAX),
      });
    }
    span.end();
    // Nothing of a turn whose message nobody keeps is in a commit.
    if (end !== "failed") (this.#joined[shard] ??= []).push(span.spanContext());
  }

  committing(shard: number, size: CommitSize): void {
    const joined = this.#joined[shard] ?? [];
    if (joined.length > 0) this.#joined[shard] = [];
    const attributes = {
      "folio.shard": shard,
      "folio.commit.turns": size.turns,
      "folio.commit.events": size.events.length,
    };
    const spans = joined.slice(0, SPANS_PER_BATCH).map((parent) =>
      this.tracer.startSpan("commit", {
        attributes,
        // One commit is of many turns, which may be of many traces.
        links: joined.filter((other) => other !== parent).slice(0, LINKS_MAX).map((context) => ({ context })),
      }, childOf(parent))
    );
    (this.#commits[shard] ??= []).push(spans);
  }

  committed(shard: number, isDurable: boolean): void {
    for (const span of this.#commits[shard]?.shift() ?? []) {
      if (!isDurable) span.setStatus({ code: SpanStatusCode.ERROR, message: "The commit was lost" });
      span.end();
    }
  }

  projected(projection: string, messageIds: readonly string[], startedAt: number): void {
    if (this.#contexts.size === 0) return;
    const parents = new Map<string, SpanContext>();
    for (const id of messageIds) {
      const parent = this.#contexts.get(id);
      if (parent && parents.size < SPANS_PER_BATCH) parents.set(id, parent);
    }
    for (const parent of parents.values()) {
      this.tracer.startSpan(`projection ${projection}`, {
        kind: SpanKind.CONSUMER,
        startTime: startedAt,
        attributes: { "folio.projection": projection, "folio.batch.events": messageIds.length },
      }, childOf(parent)).end(this.clock.now());
    }
  }

  contextOf(messageId: string): string | undefined {
    if (messageId === this.#unsampledId) return this.#unsampled;
    const spanContext = this.#contexts.get(messageId);
    return spanContext && traceparentOf(spanContext);
  }

  around<T>(message: Message, run: () => T): T {
    const span = this.#open.get(keyOf(message));
    if (span) return context.with(trace.setSpan(context.active(), span), run);
    // What it makes spans of is then left out as well.
    const { traceparent } = message;
    if (!isUnsampled(traceparent)) return run();
    return context.with(contextOf(traceparent === LEFT_OUT ? leftOutElsewhere() : traceparent), run);
  }
}

function childOf(parent: SpanContext) {
  return trace.setSpanContext(ROOT_CONTEXT, parent);
}

function keyOf({ id, actor }: Message): string {
  return `${id} ${actor}`;
}
