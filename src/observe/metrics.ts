import { activityNameOf } from "../core/activity.ts";
import type { Clock } from "../core/clock.ts";
import type { Message } from "../core/message.ts";
import type { CommitSize, Observer, TurnEnd } from "../core/observer.ts";
import type { Registry } from "../runtime/registry.ts";
import { bytesBuckets, Histogram, secondsBuckets, sizeBuckets } from "./histogram.ts";

/** Where histograms are recorded a second time: OpenTelemetry, when it has somebody to tell. */
export type Mirror = (name: string, labels: Labels) => ((value: number) => void) | undefined;
export type Labels = Readonly<Record<string, string>>;

/** What is counted of one command of one actor type. Activities are `activity:name` with the command `run`. */
export class CommandCounts {
  admitted = 0;
  readonly refused = new Map<string, number>();
  retries = 0;
  /** By outcome. */
  done = 0;
  rejected = 0;
  failed = 0;
  dead = 0;
  constructor(readonly labels: Labels, readonly duration: Histogram) {}
}

/** What is counted of one activity. */
export class ActivityCounts {
  readonly attempts = { done: 0, rejected: 0, failed: 0, retrying: 0, dead: 0 };
  constructor(readonly labels: Labels, readonly duration: Histogram) {}
}

/** What is counted of one shard. */
export class ShardCounts {
  commits = 0;
  lost = 0;
  events = 0;
  /** When each commit on its way was sent. */
  readonly startedAt: number[] = [];
  constructor(
    readonly labels: Labels,
    readonly duration: Histogram,
    readonly turns: Histogram,
    readonly bytes: Histogram,
  ) {}
}

/** Attempts of activities that are timed at once. */
const ATTEMPTS_MAX = 10_000;

/**
 * Counts what happens. Each series is an object that is found once and then only added to, so that a command
 * costs some hundred nanoseconds; turning them into text or OTLP is done by whoever asks for them.
 *
 * Labels are bounded: what no module defines is counted as `other`.
 */
export class Metrics implements Observer {
  readonly commands = new Map<string, Map<string, CommandCounts>>();
  readonly activities = new Map<string, ActivityCounts>();
  readonly shards: ShardCounts[] = [];
  readonly timerLateness: Histogram;
  readonly #began = new Map<string, number>();

  constructor(
    private readonly registry: Registry,
    private readonly clock: Clock,
    private readonly mirror: Mirror = () => undefined,
  ) {
    this.timerLateness = this.#seconds("folio_timer_lateness_seconds", {});
  }

  admitted(message: Message): void {
    this.#of(message).admitted++;
  }

  refused(message: Message, code: string): void {
    const { refused } = this.#of(message);
    refused.set(code, (refused.get(code) ?? 0) + 1);
  }

  began(message: Message): void {
    if (activityNameOf(message.actor) === undefined) return;
    // Those whose end never came, because their shard went to another process, must not stay for ever.
    if (this.#began.size >= ATTEMPTS_MAX) this.#began.clear();
    this.#began.set(attemptKey(message), this.clock.now());
  }

  ended(message: Message, _shard: number, end: TurnEnd): void {
    if (end === "retrying") this.#of(message).retries++;
    else if (end === "failed") this.#count(message, "failed");
    const activity = activityNameOf(message.actor);
    if (activity !== undefined) this.#attemptEnded(activity, message, end);
  }

  settled(message: Message, end: "done" | "rejected" | "dead"): void {
    this.#count(message, end);
  }

  committing(shard: number, size: CommitSize): void {
    const counts = this.#shard(shard);
    counts.turns.take(size.turns);
    counts.bytes.take(size.bytes);
    counts.events += size.events.length;
    // Not by the clock of the runtime, whose milliseconds are as long as a commit.
    counts.startedAt.push(performance.now());
  }

  committed(shard: number, isDurable: boolean): void {
    const counts = this.#shard(shard);
    const startedAt = counts.startedAt.shift();
    if (startedAt !== undefined) counts.duration.take((performance.now() - startedAt) / 1_000);
    if (isDurable) counts.commits++;
    else counts.lost++;
  }

  timerFired(_actor: string, lateMs: number): void {
    this.timerLateness.take(Math.max(0, lateMs) / 1_000);
  }

  /** Of all commands that were seen. */
  *allCommands(): Iterable<CommandCounts> {
    for (const commands of this.commands.values()) yield* commands.values();
  }

  #count(message: Message, outcome: "done" | "rejected" | "failed" | "dead"): void {
    const counts = this.#of(message);
    counts[outcome]++;
    counts.duration.take(Math.max(0, this.clock.now() - message.deliverAt) / 1_000);
  }

  #attemptEnded(name: string, message: Message, end: TurnEnd): void {
    const known = this.registry.activities.has(name) ? name : "other";
    let counts = this.activities.get(known);
    if (!counts) {
      const labels = { activity: known };
      counts = new ActivityCounts(labels, this.#seconds("folio_activity_attempt_duration_seconds", labels));
      this.activities.set(known, counts);
    }
    counts.attempts[end]++;
    const key = attemptKey(message);
    const beganAt = this.#began.get(key);
    this.#began.delete(key);
    if (beganAt !== undefined) counts.duration.take(Math.max(0, this.clock.now() - beganAt) / 1_000);
  }

  #of({ actor, command }: Pick<Message, "actor" | "command">): CommandCounts {
    const type = actor.slice(0, actor.indexOf("/"));
    return this.commands.get(type)?.get(command) ?? this.#newCommand(actor, type, command);
  }

  #newCommand(actor: string, type: string, command: string): CommandCounts {
    const activity = activityNameOf(actor);
    const isKnown = activity === undefined
      ? this.registry.actors.get(type)?.commands.has(command) === true
      : this.registry.activities.has(activity);
    if (!isKnown && type !== "other") return this.#of({ actor: "other/", command: "other" });
    const labels = { type, command };
    const counts = new CommandCounts(labels, this.#seconds("folio_command_duration_seconds", labels));
    const commands = this.commands.get(type) ?? new Map();
    this.commands.set(type, commands.set(command, counts));
    return counts;
  }

  #shard(number: number): ShardCounts {
    let counts = this.shards[number];
    if (!counts) {
      const labels = { shard: String(number) };
      const sized = (name: string, bounds: readonly number[]) =>
        new Histogram(bounds, this.mirror(name, labels));
      counts = this.shards[number] = new ShardCounts(
        labels,
        this.#seconds("folio_commit_duration_seconds", labels),
        sized("folio_commit_turns", sizeBuckets),
        sized("folio_commit_size_bytes", bytesBuckets),
      );
    }
    return counts;
  }

  #seconds(name: string, labels: Labels): Histogram {
    return new Histogram(secondsBuckets, this.mirror(name, labels));
  }
}

function attemptKey({ id, actor }: Message): string {
  return `${id} ${actor}`;
}
