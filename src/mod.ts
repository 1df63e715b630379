/**
 * Folio's public API: what actor modules import, and what a program that embeds Folio needs.
 *
 * @module
 */
export {
  type Activity,
  activity,
  type ActivityContext,
  type ActivityOptions,
  type AnyActivity,
  type CircuitBreakerOptions,
  FinalError,
  ProcessStoppingError,
  type RateLimit,
  RetryLaterError,
} from "./core/activity.ts";
export { type Actor, actor, type ActorOptions, type AnyActor, type Ref } from "./core/actor.ts";
export { type RetryPolicy } from "./core/backoff.ts";
export { command, type CommandDefinition, type CommandRequest } from "./core/command.ts";
export { type Clock, systemClock } from "./core/clock.ts";
export { type Duration, parseDuration } from "./core/duration.ts";
export { type ErrorCode, FolioError, type Issue } from "./core/errors.ts";
export { event, type EventDefinition, type RecordedEvent } from "./core/event.ts";
export { type Invariant, type Invariants } from "./core/invariant.ts";
export { type Ids } from "./core/ids.ts";
export { type Log } from "./core/log.ts";
export {
  type PartialRebuild,
  type Projection,
  projection,
  query,
  type QueryDefinition,
  type Write,
} from "./core/projection.ts";
export { type React, type Reactor, reactor } from "./core/reactor.ts";
export { type MisfirePolicy, type Schedule, schedule } from "./core/schedule.ts";
export {
  type AnySaga,
  type Saga,
  saga,
  type SagaInput,
  type SagaOutput,
  type SagaRef,
  type SagaStatusName,
} from "./core/saga.ts";
export { type SourceEvent } from "./core/subscription.ts";
export { type Step, StepError, type StepOptions, type Undo } from "./core/step.ts";
export { type PerformOptions, type SendOptions, type TimerTime, type Turn } from "./core/turn.ts";
export { type AppOptions, createApp } from "./http/app.ts";
export { type ConsoleOptions, createConsole } from "./console/console.tsx";
export { defaultLimits, type Limits } from "./config.ts";
export { createRuntime, type CreateRuntimeOptions, type OpenRuntime } from "./create_runtime.ts";
export { type AskResult, Runtime } from "./runtime/runtime.ts";
export { type SagaAnswer, Sagas, type SagaStatus, type SagaSummary } from "./runtime/sagas.ts";
export { UnusableStoreError } from "./store/migrations.ts";
