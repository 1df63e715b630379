import { FolioError } from "../core/errors.ts";
import { activityNameOf } from "../core/activity.ts";
import type { RecordedEvent } from "../core/event.ts";
import type { Message, ReplyTo, Told } from "../core/message.ts";
import { parseActorName } from "../core/message.ts";
import type { Head } from "../store/engine.ts";
import type { Committer } from "./committer.ts";
import type { World } from "./world.ts";
import type { Send } from "./turn.ts";

/** What sending needs of its shard. */
export interface OutgoingOwner {
  readonly world: World;
  readonly shard: number;
  readonly committer: Committer;
  /** Why an actor cannot take so many more messages, with so many for all of the shard, if it cannot. */
  whyFull(actor: string, more: { ofActor: number; ofShard: number }): FolioError | undefined;
  admit(message: Message): void;
}

/** What a reactor sends about one event. */
export interface ReactorAnswer {
  readonly event: RecordedEvent;
  readonly sends: readonly Send[];
}

/** What a message is sent because of. */
export interface Cause {
  /** Id of the message whose turn sends, or whose event is answered. */
  readonly id: string;
  readonly correlationId: string;
  readonly traceparent: string | null;
}

/**
 * Sends messages with the open commit: to actors of the same shard straight into their mailboxes, to others
 * through the outbox.
 */
export class Outgoing {
  #seq: number;
  #depth: number;

  constructor(private readonly owner: OutgoingOwner, head: Head, depth: number) {
    this.#seq = head.outboxSeq;
    this.#depth = depth;
  }

  /** Goes on from a head, after a commit was lost. */
  reset(head: Head, depth: number): void {
    this.#seq = head.outboxSeq;
    this.#depth = depth;
  }

  /** So many of the outbox have arrived. */
  arrived(count: number): void {
    this.#depth -= count;
  }

  /** Why not all of these can be sent, if they cannot. */
  whyNoRoom(sends: readonly Send[]): FolioError | undefined {
    if (sends.length === 0) return undefined;
    const { world, shard } = this.owner;
    const more = new Map<string, number>();
    let outbox = 0;
    for (const { request } of sends) {
      const actor = `${request.type}/${request.key}`;
      if (this.#shardOf(actor) !== shard) outbox++;
      else more.set(actor, (more.get(actor) ?? 0) + 1);
    }
    const { outboxDepthMax: depthMax } = world.limits;
    if (outbox > 0 && this.#depth + outbox > depthMax) {
      const full = `Outbox of shard ${shard} is full: ${depthMax} messages wait`;
      return new FolioError("shard-full", full, { shard, depthMax });
    }
    for (const [actor, count] of more) {
      const full = this.owner.whyFull(actor, { ofActor: count, ofShard: sends.length - outbox });
      if (full) return full;
    }
    return undefined;
  }

  /**
   * Lets a message join the open commit.
   *
   * @param at The time it is sent, in milliseconds since the Unix epoch.
   */
  send(send: Send, cause: Cause, at: number): void {
    const { world, committer, shard } = this.owner;
    const { type, key, command, input } = send.request;
    const actor = `${type}/${key}`;
    const message: Message = {
      id: send.id ?? world.ids.next(),
      actor,
      command,
      input,
      correlationId: cause.correlationId,
      causationId: cause.id,
      traceparent: world.observer?.contextOf?.(cause.id) ?? cause.traceparent,
      expectedVersion: null,
      enqueuedAt: at,
      deliverAt: at + send.delayMs,
      expiresAt: send.expiresMs === undefined ? null : at + send.expiresMs,
      replyTo: send.replyTo ?? null,
    };
    const target = this.#shardOf(actor);
    if (target === shard) return this.owner.admit(message);
    const text = JSON.stringify(message);
    committer.open.outbox.push([++this.#seq, target, text]);
    committer.open.bytes += text.length;
    this.#depth++;
  }

  /**
   * Lets what a reactor sends about events join the open commit.
   *
   * @param answers In the order of their events.
   * @throws {FolioError} `mailbox-full`, `shard-full`: nothing was sent.
   */
  sendAnswers(reactor: string, answers: readonly ReactorAnswer[], at: number): void {
    const full = this.whyNoRoom(answers.flatMap(({ sends }) => sends));
    if (full) throw full;
    for (const { event, sends } of answers) {
      const cause = { id: event.messageId, correlationId: event.correlationId, traceparent: null };
      for (const [index, send] of sends.entries()) {
        // The same however often the event is read: it tells where the message comes from, too.
        const id = `${reactor}.${event.shard}.${event.position}.${index}`;
        this.send({ ...send, id }, cause, at);
      }
    }
  }

  /**
   * Tells who asked for it what became of a message. Whether there is room is not asked: who sent so many
   * messages takes so many answers.
   */
  tell(replyTo: ReplyTo, told: Told, cause: Cause, at: number): void {
    const command = "error" in told ? replyTo.failed : replyTo.done;
    if (command === null) return;
    this.send({ request: { ...parseActorName(replyTo.actor), command, input: told }, delayMs: 0 }, cause, at);
  }

  /** Activities are performed where they are asked for. */
  #shardOf(actor: string): number {
    return activityNameOf(actor) === undefined ? this.owner.world.shardOf(actor) : this.owner.shard;
  }
}
