import { FolioError } from "../core/errors.ts";
import type { SagaView } from "../core/journal.ts";
import type { SagaFailure } from "../core/saga_events.ts";
import type { AnySaga, SagaStatusName } from "../core/saga.ts";
import type { Accepted, AskResult, Runtime } from "./runtime.ts";

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

  /** Sends the compensation again that it is stuck with. `ok: false`: `not-started`, `not-stuck`. */
  retry(saga: string, id: string, options?: SagaRequestOptions): Promise<SagaAnswer> {
    return this.#ask(saga, id, "retry", {}, options);
  }

  /** Undefined where it was never started. @throws {FolioError} `unknown-saga`, `malformed`. */
  status(_saga: string, _id: string): Promise<SagaStatus | undefined> {
    throw new Error("not yet");
  }

  /**
   * Resolves when the instance has ended, with its status then; after `waitMs` with its status at that time.
   */
  ended(_saga: string, _id: string, _waitMs: number): Promise<SagaStatus | undefined> {
    throw new Error("not yet");
  }

  /**
   * Instances of a saga, in the order of their ids. `next` is given as `after` for those that follow.
   *
   * @param page `status`: only those. `limit`: 1,000 at the most.
   */
  list(
    _saga: string,
    _page: { status?: SagaSummary["status"]; after?: string; limit: number },
  ): Promise<{ sagas: SagaSummary[]; next?: string }> {
    throw new Error("not yet");
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
