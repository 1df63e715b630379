import type { AnyActivity } from "../core/activity.ts";
import type { CommandRequest } from "../core/command.ts";
import type { AnySaga } from "../core/saga.ts";
import type { StepKind } from "../core/saga_events.ts";
import type { Undo } from "../core/step.ts";

/** What a step asks of the runtime. */
export type Effect =
  | { readonly kind: "ask"; readonly request: CommandRequest }
  | {
    readonly kind: "perform";
    readonly activity: AnyActivity;
    readonly input: unknown;
    readonly key: string;
  }
  | { readonly kind: "sleep"; readonly ms: number }
  | { readonly kind: "waitFor"; readonly signal: string; readonly withinMs: number | undefined }
  | { readonly kind: "child"; readonly saga: AnySaga; readonly input: unknown }
  | { readonly kind: "value"; readonly value: unknown }
  /** It cannot be done: the step fails at once. */
  | { readonly kind: "invalid"; readonly error: unknown };

/** A step that `run` has asked for. */
export interface Call {
  readonly kind: StepKind;
  /** Unique within the run. */
  readonly name: string;
  readonly effect: Effect;
  /** What `run` is given of what was recorded. */
  readonly decode: (output: unknown) => unknown;
  readonly undo: ((output: unknown) => Undo) | undefined;
  readonly promise: PromiseWithResolvers<unknown>;
}

/** How a run has come to its end. */
export type RunEnd =
  | { readonly kind: "done"; readonly output: unknown }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "continued"; readonly input: unknown };
