import { backoffMs, type RetryPolicy } from "../core/backoff.ts";
import type { Saga, SagaInput, SagaOutput, SagaStatusName, SignalSchemas } from "../core/saga.ts";
import type { z } from "zod";
import { FolioClientError } from "./client_error.ts";
import { type Answer, sleep, type Transport } from "./transport.ts";

/** How a request to a saga instance is sent. */
export interface SagaOptions {
  /** Names the message: however often it is sent, it is handled once. Made here, once a call, if not given. */
  readonly idempotencyKey?: string | undefined;
  /** Shared by all that this request leads to. */
  readonly correlationId?: string | undefined;
  /** Ends the waiting, not the saga. */
  readonly signal?: AbortSignal | undefined;
}

/** What went wrong. */
export interface SagaError {
  readonly code: string;
  readonly message: string;
  readonly details?: unknown;
}

/** A step of an instance, and how it was taken back. */
export interface SagaStep {
  readonly name: string;
  readonly kind: string;
  readonly status: "pending" | "done" | "failed";
  readonly attempts?: number;
  readonly output?: unknown;
  readonly error?: SagaError;
  readonly isTimeout?: boolean;
  readonly to?: string;
  readonly messageId?: string;
  /** ISO 8601, UTC, as all times here. */
  readonly dueAt?: string;
  readonly compensation?: {
    readonly status: "pending" | "done" | "stuck";
    readonly to: string;
    readonly messageId: string;
    readonly attempts?: number;
    readonly error?: SagaError;
  };
}

interface Instance {
  readonly saga: string;
  readonly id: string;
  /** `saga/id`: whose events are the journal. */
  readonly actor: string;
  readonly version: number;
  readonly input: unknown;
  readonly startedAt?: string;
  readonly deadlineAt?: string;
  /** Why it does not complete. */
  readonly error?: SagaError;
  /** Why its code does not fit what it has recorded. */
  readonly stopped?: string;
  readonly steps: readonly SagaStep[];
  readonly signals: readonly { readonly name: string; readonly payload: unknown }[];
}

/** An instance that has ended. */
export type SagaEnd<Output = unknown> =
  & Instance
  & (
    | { readonly status: "completed"; readonly result: Output }
    | { readonly status: "failed" | "cancelled" | "timed-out" }
  );

/** An instance as it is now. */
export type SagaInfo<Output = unknown> =
  | SagaEnd<Output>
  | Instance & { readonly status: "running" | "compensating" | "stuck" | "stopped" };

/** One instance of a saga, seen through HTTP. */
export type SagaClient<S> = S extends Saga<infer _Name, infer _Input, infer _Output, infer Signals>
  ? Methods<SagaInput<S>, SagaOutput<S>, Signals>
  : never;

interface Methods<Input, Output, Signals extends SignalSchemas> {
  /**
   * Starts it. Resolves once it is on the server's disk; with the same input again, it is the same instance.
   *
   * @throws {FolioClientError} `already-started` when it was started with another input.
   */
  start(input: Input, options?: SagaOptions): Promise<SagaInfo<Output>>;
  /** As it is now; undefined if it was never started. */
  status(options?: { readonly signal?: AbortSignal | undefined }): Promise<SagaInfo<Output> | undefined>;
  /**
   * Waits for its end, however long that takes.
   *
   * @throws {FolioClientError} `no-events` when it was never started.
   */
  ended(options?: { readonly signal?: AbortSignal | undefined }): Promise<SagaEnd<Output>>;
  /** Sends it a signal; one that comes before it is waited for is kept. */
  signal<Name extends keyof Signals & string>(
    name: Name,
    payload: z.input<Signals[Name]>,
    options?: SagaOptions,
  ): Promise<{ readonly status: SagaStatusName }>;
  /** Ends it, and takes back what it has done. */
  cancel(reason?: string, options?: SagaOptions): Promise<{ readonly status: SagaStatusName }>;
  /** Sends the compensation again that it is stuck with. */
  retry(options?: SagaOptions): Promise<{ readonly status: SagaStatusName }>;
}

/** How long the server may hold one question after the end; it allows 30 s. */
const WAIT_SECONDS = 20;
/** Pauses between two questions, should the server not hold them. */
const pollPolicy: RetryPolicy = { attemptsMax: Infinity, delayMs: 100, delayMsMax: 5_000, jitter: 0.2 };

const ends: readonly string[] = ["completed", "failed", "cancelled", "timed-out"];

/** The methods of one instance. */
export function sagaClient(transport: Transport, saga: string, id: string): Methods<unknown, unknown, never> {
  const path = `/sagas/${encodeURIComponent(saga)}/${encodeURIComponent(id)}`;
  const post = (tail: string, body: unknown, options: SagaOptions = {}): Promise<Answer> =>
    transport.call({
      method: "POST",
      path: `${path}${tail}`,
      headers: {
        "idempotency-key": options.idempotencyKey ?? transport.ids.next(),
        "folio-correlation-id": options.correlationId,
      },
      body: body ?? {},
      signal: options.signal,
    });
  const read = async (prefer: string | undefined, signal: AbortSignal | undefined): Promise<SagaInfo> => {
    const answer = await transport.call({ method: "GET", path, headers: { prefer }, signal });
    return answer.body as SagaInfo;
  };
  const taken = async (answer: Promise<Answer>) => {
    const { status } = (await answer).body as { status: SagaStatusName };
    return { status };
  };
  return {
    start: async (input, options) => (await post("", input, options)).body as SagaInfo,
    status: ({ signal } = {}) =>
      read(undefined, signal).catch((error) => {
        if (error instanceof FolioClientError && error.code === "no-events") return undefined;
        throw error;
      }),
    async ended({ signal } = {}) {
      for (let polls = 1;; polls++) {
        const info = await read(`wait=${WAIT_SECONDS}`, signal);
        if (isEnd(info)) return info;
        await sleep(transport.clock, backoffMs(pollPolicy, polls, transport.ids.random()), signal);
      }
    },
    signal: (name, payload, options) => taken(post(`/signals/${encodeURIComponent(name)}`, payload, options)),
    cancel: (reason, options) => taken(post("/cancel", reason === undefined ? {} : { reason }, options)),
    retry: (options) => taken(post("/retry", {}, options)),
  };
}

function isEnd(info: SagaInfo): info is SagaEnd {
  return ends.includes(info.status);
}
