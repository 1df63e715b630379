import { z } from "zod";

/** What kinds of steps there are. The last four have their value at once. */
export const stepKinds = [
  "ask",
  "perform",
  "sleep",
  "waitFor",
  "child",
  "now",
  "id",
  "random",
  "version",
] as const;
export type StepKind = (typeof stepKinds)[number];

const step = z.int();
const Request = z.object({ type: z.string(), key: z.string(), command: z.string(), input: z.unknown() });
const Failure = z.object({ code: z.string(), message: z.string(), details: z.unknown().optional() });
const Tell = z.object({ actor: z.string(), context: z.unknown() });

/** What went wrong, as it is recorded. */
export type SagaFailure = z.output<typeof Failure>;

/** The journal of a saga instance: the events of its stream. Steps are numbered from 0 in the order asked for. */
export const sagaEvents = {
  /** `tell`: the saga that waits for the end of this one, and what it wants to be told with it. */
  Started: z.object({
    input: z.unknown(),
    at: z.number(),
    deadlineAt: z.number().nullable(),
    tell: Tell.nullable(),
  }),
  StepStarted: z.object({
    step,
    kind: z.enum(stepKinds),
    name: z.string(),
    /** Of a step that has it at once. */
    value: z.unknown().optional(),
    /** The message that the step waits for, and who it is for. */
    messageId: z.string().optional(),
    to: z.string().optional(),
    /** When it is over: a sleep, or waiting for a signal. */
    dueAt: z.number().optional(),
    /** Which one is waited for. */
    signal: z.string().optional(),
    /** Whether what it does can be undone, and so must be known before anything is. */
    isUndoable: z.boolean().optional(),
  }),
  /** `undo`: what is sent to take it back. `isTimeout`: no signal came in time. */
  StepDone: z.object({
    step,
    output: z.unknown(),
    undo: Request.optional(),
    isTimeout: z.boolean().optional(),
  }),
  StepFailed: z.object({ step, error: Failure }),
  SignalReceived: z.object({ name: z.string(), payload: z.unknown() }),
  /** It began anew with this input. */
  Continued: z.object({ input: z.unknown() }),
  /** From here on, what has been done is undone; `as` is how it will end. */
  Aborted: z.object({ as: z.enum(["failed", "cancelled", "timed-out"]), error: Failure }),
  CompensationStarted: z.object({ step, messageId: z.string(), to: z.string() }),
  CompensationDone: z.object({ step }),
  Stuck: z.object({ step, error: Failure }),
  Completed: z.object({ output: z.unknown() }),
  Failed: z.object({ error: Failure }),
  Cancelled: z.object({ error: Failure }),
  TimedOut: z.object({ error: Failure }),
};

type Payloads = { [Name in keyof typeof sagaEvents]: z.output<(typeof sagaEvents)[Name]> };
/** One event of the journal. */
export type SagaEvent = { [Name in keyof Payloads]: readonly [type: Name, payload: Payloads[Name]] }[
  keyof Payloads
];
export type SagaEventName = keyof Payloads;
export type SagaPayload<Name extends SagaEventName> = Payloads[Name];
