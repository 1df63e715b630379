import { activityNameOf } from "../core/activity.ts";
import { FolioError } from "../core/errors.ts";
import type { SagaView } from "../core/saga_view.ts";
import type { AnySaga, SagaStatusName } from "../core/saga.ts";
import { readSagas } from "../store/sagas.ts";
import type { MessageSource } from "./message_reader.ts";
import { inProgress } from "./pending.ts";
import type { Accepted } from "./caller.ts";
import type { AskResult, Runtime } from "./runtime.ts";

/** A saga instance as it is now. */
export interface SagaStatus extends Omit<SagaView, "status"> {
  readonly saga: string;
  readonly id: string;
  /** `saga/id`: its stream, for `GET /actors/…/events`. */
  readonly actor: string;
  readonly version: number;
  readonly status: SagaStatusName;
  /** Why it is stopped: what its code asks for, and what it has recorded. */
  readonly stopped?: string;
  /** By message id: attempts so far of the messages that its last steps and compensations wait for, or waited for. */
  readonly attempts: Readonly<Record<string, number>>;
}

/** How a request to a saga is sent; see `SubmitOptions`. */
export interface SagaRequestOptions {
  readonly messageId?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly traceparent?: string | undefined;
}

/** What `start`, `signal`, `cancel` and `retry` are answered with. */
export type SagaAnswer = AskResult<{ status: SagaStatusName }, { code: string; details: unknown }>;

/** One line of a list of instances. */
export interface SagaSummary {
  readonly saga: string;
  readonly id: string;
  readonly status: Exclude<SagaStatusName, "stopped">;
  readonly version: number;
}

const ATTEMPTS_MAX = 50;

/** Events that say how an instance stands. */
const statusOf: Readonly<Record<string, SagaSummary["status"]>> = {
  Started: "running",
  Aborted: "compensating",
  CompensationStarted: "compensating",
  CompensationDone: "compensating",
  Stuck: "stuck",
  Completed: "completed",
  Failed: "failed",
  Cancelled: "cancelled",
  TimedOut: "timed-out",
};

/** Whether nothing more happens in an instance of this status. */
export function isEnd(status: SagaStatusName): boolean {
  return ["completed", "failed", "cancelled", "timed-out"].includes(status);
}

/** A page of a saga's instances in the order of their ids, as `Sagas.list` gives it. */
export async function readInstances(
  shards: readonly Pick<MessageSource, "store">[],
  saga: string,
  page: { status?: SagaSummary["status"] | undefined; after?: string | undefined; limit: number },
): Promise<{ sagas: SagaSummary[]; next?: string }> {
  const { status, after = "", limit } = page;
  const types = Object.keys(statusOf);
  const only = types.filter((type) => status === undefined || statusOf[type] === status);
  const query = { saga, after, types, only, limit: limit + 1 };
  const found = await Promise.all(shards.map(({ store }) => readSagas(store.database, query)));
  const rows = found.flat().sort((a, b) => (a.actor < b.actor ? -1 : 1));
  const sagas = rows.slice(0, limit).map(({ actor, version, type }) => ({
    saga,
    id: actor.slice(saga.length + 1),
    status: statusOf[type] ?? "running",
    version,
  }));
  const last = sagas.at(-1);
  return last && rows.length > limit ? { sagas, next: last.id } : { sagas };
}

/** The sagas of a runtime, by name: `runtime.sagas`. */
export class Sagas {
  constructor(private readonly runtime: Runtime) {}

  /** @throws {FolioError} `unknown-saga`. */
  definition(name: string): AnySaga {
    const saga = this.runtime.registry.sagas.get(name);
    if (!saga) {
      throw new FolioError("unknown-saga", `There is no saga "${name.slice(0, 64)}"`, { saga: name });
    }
    return saga;
  }

  /**
   * Starts an instance; resolves once that is on disk. `ok: false` with the code `already-started` where there is
   * one of this id.
   *
   * @throws {FolioError} `unknown-saga`, `invalid-input`, `malformed`; and as `Runtime.submit` does.
   */
  start(saga: string, id: string, input: unknown, options?: SagaRequestOptions): Promise<SagaAnswer> {
    return this.#ask(saga, id, "start", { input }, options);
  }

  /** As `start`, but only admits the message. */
  send(saga: string, id: string, input: unknown, options?: SagaRequestOptions): Promise<Accepted> {
    this.definition(saga);
    return this.runtime.send({ type: saga, key: id, command: "start", input: { input } }, options);
  }

  /** `ok: false`: `not-started`, `ended`, `unknown-signal`, `invalid-signal`, `too-many-signals`. */
  signal(
    saga: string,
    id: string,
    signal: string,
    payload: unknown,
    options?: SagaRequestOptions,
  ): Promise<SagaAnswer> {
    return this.#ask(saga, id, "signal", { name: signal, payload }, options);
  }

  /** `ok: false`: `not-started`, `ended`. Compensations go on after it resolves. */
  cancel(saga: string, id: string, reason?: string, options?: SagaRequestOptions): Promise<SagaAnswer> {
    return this.#ask(saga, id, "cancel", reason === undefined ? {} : { reason }, options);
  }

  /**
   * Sends the compensation again that it is stuck with. `ok: false`: `not-started`, `not-stuck`.
   *
   * @throws {FolioError} `message-in-progress` when its dead letter was redriven, and is being tried; and as
   * `Runtime.ask` does.
   */
  async retry(saga: string, id: string, options?: SagaRequestOptions): Promise<SagaAnswer> {
    await this.#discardStuck(saga, id);
    return await this.#ask(saga, id, "retry", {}, options);
  }

  /** What is sent anew must not be redriven, too: that would undo the step twice. */
  async #discardStuck(saga: string, id: string): Promise<void> {
    const found = await this.#look(saga, id);
    if (found?.status !== "stuck") return;
    const stuck = found.steps.find(({ compensation }) => compensation?.status === "stuck")?.compensation;
    if (!stuck) return;
    try {
      const message = await this.runtime.message(stuck.messageId, stuck.to);
      if (message.status === "dead" && message.handledAt === null) {
        await this.runtime.deadLetters.discard(message.id, message.actor);
      } else if (message.outcome === null && message.handledAt === null) throw inProgress(message.id);
    } catch (error) {
      // A rejected compensation is no dead letter, and what was discarded is not kept for ever.
      if (!FolioError.is(error, "unknown-message")) throw error;
    }
  }

  /** Undefined where it was never started. @throws {FolioError} `unknown-saga`, `malformed`. */
  async status(saga: string, id: string): Promise<SagaStatus | undefined> {
    const found = await this.#look(saga, id);
    return found && { ...found, attempts: await this.#attempts(found) };
  }

  /** The status without what has to be looked up on the disk. */
  async #look(saga: string, id: string): Promise<Omit<SagaStatus, "attempts"> | undefined> {
    this.definition(saga);
    this.runtime.registry.actor(saga, id);
    const actor = `${saga}/${id}`;
    const { state, version, stopped } = await this.runtime.shardOf(actor).read(actor);
    if (version === 0 && stopped === undefined) return undefined;
    // The state of a saga's actor is never shown as anything else.
    const view = state as SagaView;
    const { status: recorded, ...rest } = view;
    const status = stopped === undefined && recorded !== "new" ? recorded : "stopped";
    return {
      saga,
      id,
      actor,
      version,
      status,
      ...(stopped === undefined ? {} : { stopped }),
      ...rest,
    };
  }

  /** Resolves when the instance has ended, with its status then; after `waitMs` with its status at that time. */
  async ended(saga: string, id: string, waitMs: number): Promise<SagaStatus | undefined> {
    const actor = `${saga}/${id}`;
    let wake = () => {};
    let isOver = waitMs <= 0;
    const unwatch = this.runtime.shardOf(actor).wakeups.watch(actor, () => wake());
    const stopWaiting = this.runtime.clock.after(Math.max(waitMs, 0), () => {
      isOver = true;
      wake();
    });
    const stopListening = this.runtime.draining.subscribe(() => {
      isOver = true;
      wake();
    });
    try {
      while (true) {
        const changed = new Promise<void>((resolve) => wake = resolve);
        const found = await this.#look(saga, id);
        if (isOver || (found && isEnd(found.status))) return await this.status(saga, id);
        await changed;
      }
    } finally {
      unwatch();
      stopWaiting();
      stopListening();
    }
  }

  /**
   * Instances of a saga, in the order of their ids. `next` is given as `after` for those that follow.
   *
   * @param page `status`: only those. `limit`: 1,000 at the most.
   */
  async list(
    saga: string,
    page: { status?: SagaSummary["status"] | undefined; after?: string | undefined; limit: number },
  ): Promise<{ sagas: SagaSummary[]; next?: string }> {
    this.definition(saga);
    const { limits, shards } = this.runtime;
    return await readInstances(shards, saga, { ...page, limit: Math.min(page.limit, limits.pageItemsMax) });
  }

  /** Of the newest steps; what is not kept any more is left out. */
  async #attempts({ steps }: Pick<SagaView, "steps">): Promise<Record<string, number>> {
    const sent = steps.flatMap(({ to, messageId, compensation }) => [{ to, messageId }, compensation ?? {}]);
    const newest = sent.filter(({ messageId }) => messageId !== undefined).slice(-ATTEMPTS_MAX);
    const attempts: Record<string, number> = {};
    await Promise.all(newest.map(async ({ to, messageId = "" }) => {
      try {
        const message = await this.runtime.message(messageId, to);
        // Of an activity, an attempt counts when it begins; of a command, when it has failed.
        const isDone = activityNameOf(message.actor) === undefined && message.outcome !== null;
        attempts[messageId] = message.attempts + (isDone ? 1 : 0);
      } catch (error) {
        if (!FolioError.is(error, "unknown-message")) throw error;
      }
    }));
    return attempts;
  }

  #ask(
    saga: string,
    id: string,
    command: string,
    input: unknown,
    options: SagaRequestOptions = {},
  ): Promise<SagaAnswer> {
    this.definition(saga);
    return this.runtime.ask({ type: saga, key: id, command, input }, options);
  }
}
